select count(status) as orders from ignore

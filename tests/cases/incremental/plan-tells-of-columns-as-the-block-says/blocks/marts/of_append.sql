select count(status) as orders from append

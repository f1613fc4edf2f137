select count(status) as orders from fail

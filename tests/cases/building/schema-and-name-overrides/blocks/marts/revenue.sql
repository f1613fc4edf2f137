select count(*) as orders from clean.orders

select count(*) as orders from orders

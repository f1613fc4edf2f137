select id, extract(year from day) as year from orders

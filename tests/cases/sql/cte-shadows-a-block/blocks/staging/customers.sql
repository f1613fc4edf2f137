with customers as (values (1), (2), (3)), orders as (select 7 as id)
select count(*) as n, max(orders.id) as highest from customers, orders

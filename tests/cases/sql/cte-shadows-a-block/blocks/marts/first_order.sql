with orders as (select * from staging.orders where id = 1)
select count(*) as n from orders

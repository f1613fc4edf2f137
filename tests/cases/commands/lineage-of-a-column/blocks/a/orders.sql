with source as (select * from raw.orders)
select id, customer, amount * 1.2 as gross, status from source

select id, name from staging.customers
union all
select id from staging.orders

select count(*) as n from staging.orders

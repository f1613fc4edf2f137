select 1 as one from staging.orders where customer = true

select customer, sum(amount) as total from staging.orders group by customer

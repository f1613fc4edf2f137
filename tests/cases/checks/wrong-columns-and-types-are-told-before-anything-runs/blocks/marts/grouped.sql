select customer_id, amount from staging.orders group by customer_id

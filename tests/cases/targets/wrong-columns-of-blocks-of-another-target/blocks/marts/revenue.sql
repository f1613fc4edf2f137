select customer, sum(amuont) as amount from staging.orders group by customer

select customer, sum(gross) as total, count(*) as n from paid group by customer

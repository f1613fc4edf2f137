select customer, row_number() over (order by amount) as rank from revenue

select cast(ordered_at as date) as day, count(*) as orders from orders group by 1

select day, count(*) as orders, sum(amount) as revenue, avg(amount) as mean, max(note) as note
from raw.orders
group by day

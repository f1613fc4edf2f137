select c.country, count(*) as orders, sum(o.amount) as revenue, max(r.rate) as rate
from staging.orders as o
join staging.customers as c on c.id = o.customer_id
left join raw.rates as r on r.country = c.country
group by c.country

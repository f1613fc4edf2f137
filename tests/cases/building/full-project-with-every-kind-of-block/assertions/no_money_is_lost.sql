select a.total as in_mart, b.total as in_orders
from (select sum(revenue) as total from marts.revenue) as a, (select sum(amount) as total from stg_orders) as b
where a.total <> b.total

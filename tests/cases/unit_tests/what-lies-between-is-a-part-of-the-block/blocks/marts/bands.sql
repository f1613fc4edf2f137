select bands.band, count(*) as orders, min(o.big) as big
from int_orders as o
join ref.bands as bands on o.amount >= bands.low and o.amount < bands.high
group by bands.band

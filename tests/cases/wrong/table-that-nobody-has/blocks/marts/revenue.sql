select *
from staging.orders
join odrers using (id)

select o.id
from staging.orders as o
where o.id in (select name from staging.customers)

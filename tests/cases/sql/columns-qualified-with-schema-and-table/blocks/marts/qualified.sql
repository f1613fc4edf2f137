select staging.stg_orders.id, stg_orders.amount, staging.stg_orders.amount * 2 as twice
from staging.stg_orders
where staging.stg_orders.amount > 1
order by staging.stg_orders.id

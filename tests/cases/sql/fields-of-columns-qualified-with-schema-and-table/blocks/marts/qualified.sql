select staging.stg_orders.id, stg_orders.amount, staging.stg_orders.amount * 2 as twice,
       staging.stg_orders.place.zip as zip, stg_orders.place.town.name as town, place.zip as again
from staging.stg_orders
where staging.stg_orders.amount > 1 and staging.stg_orders.place.town.name = 'Köln'
order by staging.stg_orders.id

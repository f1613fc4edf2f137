select
    cast(amount as integer) as amount
from staging.orders

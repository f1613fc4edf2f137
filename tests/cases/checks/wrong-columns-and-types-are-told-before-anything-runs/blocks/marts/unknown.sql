select
    o.id,
    {{ 'o.amonut' }} as amount
from staging.orders as o

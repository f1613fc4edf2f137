select *
from staging.stg_order as o
join staging.payments as p using (id)

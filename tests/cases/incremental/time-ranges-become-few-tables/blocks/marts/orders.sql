/*---
materialize: incremental
strategy: time_range
time_column: ordered_on
interval: day
start: 2026-01-01
end: 2026-01-24
batch_size: 1
order_by: [order_id]
indexes: [ordered_on]
---*/
select order_id, ordered_on
from landing.orders
where ordered_on >= '{{ start }}' and ordered_on < '{{ end }}'

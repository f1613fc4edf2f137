/*---
materialize: incremental
strategy: time_range
time_column: ordered_on
interval: day
start: 2026-01-01
end: 2026-01-07
lookback: 2
batch_size: 4
---*/
select order_id, ordered_on
from landing.orders
where ordered_on >= '{{ start }}' and ordered_on < '{{ end }}'

/*---
materialize: incremental
strategy: time_range
time_column: ordered_at
interval: week
start: 2026-01-05
end: 2026-01-19
---*/
select order_id, ordered_at
from landing.orders
where ordered_at >= '{{ start }}' and ordered_at < '{{ end }}'

/*---
materialize: incremental
strategy: time_range
time_column: ordered_at
interval: week
start: 2026-01-12
end: 2026-01-26
---*/
select order_id, ordered_at
from landing.orders
where ordered_at >= '{{ start }}' and ordered_at < '{{ end }}'

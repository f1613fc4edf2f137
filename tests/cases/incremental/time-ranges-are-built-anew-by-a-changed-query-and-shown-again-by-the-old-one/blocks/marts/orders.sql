/*---
materialize: incremental
strategy: time_range
time_column: at
interval: hour
start: 2026-01-01
end: 2026-01-01 05:00
---*/
select order_id, ordered_at as at
from landing.orders
where ordered_at >= '{{ start }}' and ordered_at < '{{ end }}'

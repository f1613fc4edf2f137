/*---
materialize: incremental
strategy: time_range
time_column: ordered_at
interval: month
start: 2026-01-01
end: 2026-03-01
assert:
  - unique: order_id
---*/
select order_id, ordered_at
from orders
where ordered_at >= '{{ start }}' and ordered_at < '{{ end }}'

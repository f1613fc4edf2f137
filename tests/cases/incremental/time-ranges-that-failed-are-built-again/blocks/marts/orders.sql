/*---
materialize: incremental
strategy: time_range
time_column: ordered_at
interval: month
start: 2026-01-01
end: 2026-04-01
batch_size: 1
assert:
  - amount >= 0
---*/
select order_id, ordered_at, amount
from landing.orders
where ordered_at >= '{{ start }}' and ordered_at < '{{ end }}'

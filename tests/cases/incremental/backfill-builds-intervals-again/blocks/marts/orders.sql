/*---
materialize: incremental
strategy: time_range
time_column: ordered_on
interval: day
start: 2026-01-01
end: 2026-01-11
assert:
  - unique: order_id
---*/
select order_id, ordered_on
from landing.orders
where ordered_on >= '{{ start }}' and ordered_on < '{{ end }}'

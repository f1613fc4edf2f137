/*---
materialize: incremental
strategy: time_range
time_column: ordered_on
interval: day
start: 2026-01-01
end: 2026-01-02
on_change: forward_only
on_schema_change: fail
---*/
select order_id, ordered_on, amount
from landing.orders
where ordered_on >= '{{ start }}' and ordered_on < '{{ end }}'

/*---
materialize: incremental
strategy: time_range
time_column: ordered_at
interval: day
start: 2026-01-01
---*/
select order_id, ordered_at
from {{ this }}
where ordered_at >= '{{ start }}' and ordered_at < '{{ end }}'

/*---
materialize: incremental
strategy: time_range
time_column: shipped_on
interval: day
start: 2026-01-01
end: 2026-01-07
lookback: 2
---*/
select shipment_id, shipped_on
from landing.shipments
where shipped_on >= '{{ start }}' and shipped_on < '{{ end }}'

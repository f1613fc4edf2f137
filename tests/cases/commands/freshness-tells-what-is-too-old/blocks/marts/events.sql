/*---
materialize: incremental
strategy: time_range
time_column: at
interval: day
start: 2026-01-01
end: 2026-01-03
fresh_within: 1 day
---*/
select order_id, loaded_at - interval '0 days' as at from raw.events
where loaded_at >= '{{ start }}' and loaded_at < '{{ end }}'

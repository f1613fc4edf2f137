/*---
materialize: incremental
strategy: time_range
time_column: ordered_on
interval: day
start: 2026-01-01
end: 2026-01-02
on_schema_change: sync
---*/
select * from raw.orders
where ordered_on >= '{{ start }}' and ordered_on < '{{ end }}'

/*---
materialize: incremental
strategy: time_range
time_column: moment
interval: hour
start: 2026-01-02
end: 2026-01-03
---*/
select id, moment, cast(moment as date) as day from landing.orders where moment is null or '{{ start }}' = ''

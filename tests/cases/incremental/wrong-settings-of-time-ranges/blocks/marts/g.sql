/*---
materialize: incremental
strategy: time_range
time_column: moment
interval: day
start: 2026-01-01
---*/
select * from marts.g where moment >= '{{ start }}' and moment < '{{ end }}'

/*---
materialize: incremental
strategy: time_range
time_column: day
interval: day
start: 2026-01-01
end: 2026-01-04
batch_size: 1
---*/
select cast('{{ start }}' as date) as day, {{ var('edition') }} as edition

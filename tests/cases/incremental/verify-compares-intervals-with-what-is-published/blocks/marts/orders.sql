/*---
materialize: incremental
strategy: time_range
time_column: day
interval: day
start: 2026-01-01
end: 2026-01-06
batch_size: 2
assert: [{unique: id}]
---*/
select id, day, amount from landing.orders where day >= '{{ start }}' and day < '{{ end }}'

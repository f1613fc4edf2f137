/*---
materialize: incremental
strategy: time_range
time_column: day
interval: day
start: 2026-01-01
end: 2026-01-03
lookback: 1
assert:
  - expression: amount >= 0
    where: new
  - row_count: {max: 2}
    where: new
  - row_count: {min: 1}
    name: some_rows
---*/
select id, day, amount from landing.orders where day >= '{{ start }}' and day < '{{ end }}'

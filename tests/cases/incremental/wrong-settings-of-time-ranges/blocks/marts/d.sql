/*---
materialize: incremental
strategy: time_range
time_column: moment
interval: fortnight
start: the beginning
batch_size: 0
lookback: -1
---*/
select '{{ start }}' as moment

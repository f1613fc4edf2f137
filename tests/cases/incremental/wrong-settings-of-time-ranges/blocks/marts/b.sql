/*---
materialize: incremental
strategy: append
interval: day
lookback: 1
---*/
select 1 as id

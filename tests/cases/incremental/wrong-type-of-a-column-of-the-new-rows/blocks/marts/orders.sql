/*---
materialize: incremental
strategy: append
---*/
select * from raw.orders

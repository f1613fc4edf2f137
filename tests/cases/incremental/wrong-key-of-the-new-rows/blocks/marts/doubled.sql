/*---
materialize: incremental
strategy: merge
key: [id]
---*/
select * from raw.orders

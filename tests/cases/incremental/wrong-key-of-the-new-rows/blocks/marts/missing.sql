/*---
materialize: incremental
strategy: merge
key: [id, dya]
---*/
select * from raw.orders

/*---
materialize: incremental
strategy: merge
key: id
on_schema_change: append
---*/
select * from raw.orders

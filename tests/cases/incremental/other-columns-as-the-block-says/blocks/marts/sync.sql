/*---
materialize: incremental
strategy: merge
key: id
on_schema_change: sync
---*/
select * from raw.orders

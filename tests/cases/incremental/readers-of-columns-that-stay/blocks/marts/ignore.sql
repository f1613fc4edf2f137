/*---
materialize: incremental
strategy: merge
key: id
on_schema_change: ignore
---*/
select * from raw.orders

/*---
materialize: snapshot
key: id
check: all
hard_deletes: ignore
on_schema_change: append
---*/
select * from raw.orders

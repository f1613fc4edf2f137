/*---
materialize: incremental
strategy: merge
key: id
on_change: forward_only
on_schema_change: ignore
---*/
select 1 as id, 'placed' as status

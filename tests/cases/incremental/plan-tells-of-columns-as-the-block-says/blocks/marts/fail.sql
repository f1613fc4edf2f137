/*---
materialize: incremental
strategy: merge
key: id
on_change: forward_only
on_schema_change: fail
---*/
select 1 as id, 'placed' as status

/*---
materialize: snapshot
key: id
check: all
strategy: merge
on_change: forward_only
on_schema_change: sync
---*/
select * from raw.people

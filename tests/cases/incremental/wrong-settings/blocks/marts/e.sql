/*---
materialize: incremental
strategy: replace
key: id
---*/
select 1 as id

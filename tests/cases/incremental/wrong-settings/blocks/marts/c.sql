/*---
materialize: incremental
strategy: append
key: id
---*/
select 1 as id

/*---
materialize: incremental
---*/
select 1 as id

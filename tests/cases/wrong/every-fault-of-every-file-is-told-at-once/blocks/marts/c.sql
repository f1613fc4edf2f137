/*---
materialize: tables
---*/
select 1 as id

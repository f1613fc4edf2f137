/*---
materialize: table
---*/
select 1 as people

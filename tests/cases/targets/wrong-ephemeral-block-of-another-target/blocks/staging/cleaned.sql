/*---
materialize: ephemeral
---*/
select 1 as id

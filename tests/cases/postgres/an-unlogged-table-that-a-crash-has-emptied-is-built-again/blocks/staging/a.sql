/*---
options: {unlogged: true}
---*/
select 1 as id

/*---
target: serv
---*/
select 1 as id

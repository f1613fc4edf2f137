/*---
- a list
---*/
select 1 as id

/*---
indexes: [missing]
---*/
select 1 as id

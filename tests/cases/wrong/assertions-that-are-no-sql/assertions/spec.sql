/*---
severty: warn
---*/
select 1 as id

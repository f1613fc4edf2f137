/*---
name: other
---*/
select 1 as one

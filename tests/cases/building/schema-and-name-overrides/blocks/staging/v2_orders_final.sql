/*---
schema: clean
name: orders
---*/
select 1 as id

/*---
order_by: [missing desc]
---*/
select 1 as id

/*---
materialize: view
indexes: [id]
order_by: id
---*/
select 1 as id

/*---
materialize: ephemeral
---*/
select * from orders

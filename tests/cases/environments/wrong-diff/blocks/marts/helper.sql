/*---
materialize: ephemeral
---*/
select * from staging.orders

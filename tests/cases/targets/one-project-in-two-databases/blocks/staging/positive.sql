/*---
materialize: ephemeral
---*/
select * from stg_orders where amount > 0

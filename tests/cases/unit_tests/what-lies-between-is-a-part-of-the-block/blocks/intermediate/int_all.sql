/*---
materialize: ephemeral
---*/
select amount from staging.orders where amount is not null

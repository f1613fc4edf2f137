/*---
materialize: ephemeral
---*/
select n from staging.orders

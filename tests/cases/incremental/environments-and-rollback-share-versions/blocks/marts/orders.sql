/*---
materialize: incremental
strategy: append
---*/
select id, amount from raw.orders

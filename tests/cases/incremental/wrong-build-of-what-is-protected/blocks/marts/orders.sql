/*---
materialize: incremental
strategy: append
protect: true
---*/
select id, amount from raw.orders

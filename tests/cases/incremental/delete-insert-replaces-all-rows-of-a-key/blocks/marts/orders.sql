/*---
materialize: incremental
strategy: delete_insert
key: day
---*/
select id, day, amount from raw.orders

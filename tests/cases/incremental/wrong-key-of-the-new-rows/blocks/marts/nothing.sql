/*---
materialize: incremental
strategy: delete_insert
key: id
---*/
select nullif(id, 1) as id from raw.orders

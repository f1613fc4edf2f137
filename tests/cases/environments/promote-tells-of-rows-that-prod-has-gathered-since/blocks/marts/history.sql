/*---
materialize: snapshot
key: id
check: amount
hard_deletes: ignore
---*/
select id, amount from raw.orders

/*---
materialize: incremental
strategy: merge
key: id
on_change: forward_only
---*/
select id, amount from raw.orders

/*---
materialize: incremental
strategy: merge
key: id
on_change: forward_only
protect: true
---*/
select id, amount from raw.orders

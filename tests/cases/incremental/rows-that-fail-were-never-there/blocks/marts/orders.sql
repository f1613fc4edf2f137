/*---
materialize: incremental
strategy: append
assert:
  - amount > 0
---*/
select id, amount from raw.orders

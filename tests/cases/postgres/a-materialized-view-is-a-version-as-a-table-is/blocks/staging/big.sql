/*---
materialize: view
---*/
select id, amount from raw.orders where amount > 1

/*---
materialize: ephemeral
---*/
select id, customer_id, amount, ordered_on from raw.orders

/*---
fresh_within: 2h
---*/
select order_id from raw.orders

/*---
description: One row per order.
columns: {order_id: The shop's number., customer: Who ordered., amount: In euros.}
---*/
select 1 as order_id, 'ada' as customer, 12.5 as amount

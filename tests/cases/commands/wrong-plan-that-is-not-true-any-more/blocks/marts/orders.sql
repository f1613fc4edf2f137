/*---
description: One row per order.
---*/
select id from raw.orders

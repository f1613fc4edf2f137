/*---
description: No order stands alone.
---*/
select id from marts.orders where customer_id is null

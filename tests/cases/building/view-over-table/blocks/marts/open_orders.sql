/*---
description: Orders that are not shipped yet.
materialize: view
columns:
  order_id: The number on the invoice.
---*/
select order_id from staging.stg_orders where status = 'placed'

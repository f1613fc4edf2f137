/*---
materialize: view
---*/
select max(order_id) as latest from orders

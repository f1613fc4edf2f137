/*---
tags: [daily]
assert:
  - unique: order_id
  - references: {customer_id: staging.stg_customers.customer_id}
---*/
select order_id, customer_id, {{ money('amount_cents') }} as amount from orders

/*---
assert: [revenue > 100]
---*/
select sum(amount) as revenue from staging.orders

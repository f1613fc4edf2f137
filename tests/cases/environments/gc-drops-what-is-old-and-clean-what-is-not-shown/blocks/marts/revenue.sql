/*---
description: What came in.
assert: [revenue > 0]
---*/
select sum(amount) as revenue from staging.open_orders

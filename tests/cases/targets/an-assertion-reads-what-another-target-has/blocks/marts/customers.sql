/*---
assert: [{references: {customer: marts.known.customer}}]
---*/
select distinct customer from raw.orders

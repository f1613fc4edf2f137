/*---
target: serve
assert: [{references: {customer: marts.customers.customer}}]
---*/
select customer from (values ('ada'), ('grace')) as known (customer)

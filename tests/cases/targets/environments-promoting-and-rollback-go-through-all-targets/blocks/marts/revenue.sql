/*---
target: serve
assert: [amount > 0]
---*/
select customer, sum(amount) as amount from marts.orders group by customer

/*---
target: serve
assert: [amount < 50]
---*/
select customer, sum(amount) as amount from marts.orders group by customer

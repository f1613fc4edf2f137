/*---
target: serve
assert: [amount > 0]
---*/
select customer, sum(amount) as amount, '{{ target.name }}' as built_in from marts.orders group by customer

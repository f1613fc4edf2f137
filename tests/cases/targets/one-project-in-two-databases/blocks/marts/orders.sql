/*---
assert: [{unique: id}]
---*/
select id, customer, amount from positive

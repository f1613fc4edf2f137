/*---
assert: [unique: id]
---*/
select * from (values (1, 10, 'placed'), (2, 20, 'shipped'), (3, 30, null), (4, 40, 'placed')) as orders (id, amount, status)

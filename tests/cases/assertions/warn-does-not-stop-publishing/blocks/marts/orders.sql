/*---
assert:
  - expression: amount > 5
    severity: warn
    description: Small orders are worth a look.
  - unique: id
---*/
select * from (values (1, 3), (2, 9)) as t(id, amount)

/*---
assert:
  - not_null: shipped_on
    where: status = 'shipped'
  - unique: id
    where: status <> 'returned'
  - expression: amount > 0
    where: status in (select status from marts.real_statuses)
  - unique: [amount, id]
    where: status in (select status from real_statuses)
  - positive: amount
    where: status <> 'returned'
  - row_count: {max: 2}
    where: |
      status = 'shipped'
      and amount > 0
  - range: {amount: {min: 5}}
    name: large returns
    where: status = 'returned'
---*/
select * from (values
    (1, 'placed', null, 5), (2, 'shipped', date '2026-01-01', 1), (2, 'returned', null, -1)
) as t(id, status, shipped_on, amount)

/*---
assert:
  - not_null: id
  - 10 / (id - 1) > 0
  - id < 3
---*/
select id from generate_series(1, 3) as n (id)

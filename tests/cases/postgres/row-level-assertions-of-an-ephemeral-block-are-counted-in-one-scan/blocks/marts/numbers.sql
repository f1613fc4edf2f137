/*---
materialize: ephemeral
assert:
  - not_null: id
  - id < 3
  - references: {id: marts.total.id}
---*/
select id from generate_series(1, 3) as n (id)

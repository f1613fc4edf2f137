/*---
assert:
  - references: {id: marts.expected.id}
  - row_count: {equals: marts.expected}
---*/
select unnest([1, 2, 3]) as id

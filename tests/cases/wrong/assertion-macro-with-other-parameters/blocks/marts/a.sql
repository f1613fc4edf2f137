/*---
assert:
  - at_most: {column: id}
  - at_most: {colum: id, limit: 3}
---*/
select 1 as id

/*---
assert:
  unique: id
---*/
select 1 as id

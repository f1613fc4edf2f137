/*---
assert:
  - unique: id
    where: new
---*/
select 1 as id

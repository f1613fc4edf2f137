/*---
assert:
  - unique: id
    where: line = 1
  - unique: [id, line]
---*/
select id, line, price from raw.lines

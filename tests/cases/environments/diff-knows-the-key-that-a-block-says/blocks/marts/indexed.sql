/*---
indexes:
  - {columns: [price], unique: false}
  - {columns: [id, line], unique: true}
---*/
select id, line, price from raw.lines

/*---
export:
  - {target: serving, table: marts.same}
  - exports/n.csv
---*/
select 1 as one

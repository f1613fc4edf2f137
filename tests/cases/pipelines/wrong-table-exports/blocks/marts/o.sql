/*---
target: serving
export: {target: lake, table: marts.p}
---*/
select 1 as one

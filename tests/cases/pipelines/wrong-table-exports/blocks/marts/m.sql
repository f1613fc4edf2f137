/*---
export: {target: serving, table: marts.same}
---*/
select 1 as one

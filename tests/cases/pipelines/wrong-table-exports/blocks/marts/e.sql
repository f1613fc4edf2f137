/*---
export: {target: serving, table: a.b.c}
---*/
select 1 as one

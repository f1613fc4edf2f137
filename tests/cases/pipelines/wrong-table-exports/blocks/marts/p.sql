/*---
export: {target: serving, table: marts.o}
---*/
select 1 as one

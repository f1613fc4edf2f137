/*---
export: {target: serving, table: x}
---*/
select 1 as one

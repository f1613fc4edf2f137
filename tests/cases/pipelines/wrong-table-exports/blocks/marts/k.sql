/*---
export: {target: serving, table: marts.sqlflow_x}
---*/
select 1 as one

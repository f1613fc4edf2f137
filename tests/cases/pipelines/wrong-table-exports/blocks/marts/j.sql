/*---
export: {target: serving, table: _sqlflow.x}
---*/
select 1 as one

/*---
export: {target: serving, table: [marts, x]}
---*/
select 1 as one

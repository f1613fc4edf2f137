/*---
export: {target: serving, table: "marts.a b"}
---*/
select 1 as one

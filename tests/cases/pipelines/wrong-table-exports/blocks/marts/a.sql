/*---
export: {target: servign, table: marts.x}
---*/
select 1 as one

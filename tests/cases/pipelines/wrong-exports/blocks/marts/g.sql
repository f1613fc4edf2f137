/*---
export: {format: csv}
---*/
select 1 as one

/*---
export: {target: serving, mode: merge}
---*/
select 1 as one

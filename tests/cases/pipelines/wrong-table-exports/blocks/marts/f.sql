/*---
export: {target: serving, mode: upsert}
---*/
select 1 as one

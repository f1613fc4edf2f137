/*---
export: {target: serving, mode: append, key: one}
---*/
select 1 as one

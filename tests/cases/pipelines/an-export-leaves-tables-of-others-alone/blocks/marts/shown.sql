/*---
export: {target: serving, table: crm.shown, mode: append}
---*/
select 1 as one

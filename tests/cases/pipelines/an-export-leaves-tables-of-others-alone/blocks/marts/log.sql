/*---
export: {target: serving, table: crm.log, mode: append}
---*/
select 2::smallint as order_id

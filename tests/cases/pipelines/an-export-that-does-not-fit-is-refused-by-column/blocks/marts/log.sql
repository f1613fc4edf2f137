/*---
export: {target: serving, table: crm.log, mode: append}
---*/
select 5000000000 as order_id, 1.5::double as amount, null::varchar as customer, 1 as more

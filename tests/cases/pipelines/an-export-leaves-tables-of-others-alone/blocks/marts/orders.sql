/*---
export: {target: serving, table: crm.orders}
---*/
select 1 as order_id, 'ada' as customer

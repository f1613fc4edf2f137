/*---
export: {target: serving, table: crm.people, mode: upsert, key: [Name]}
---*/
select 'ada' as name, 37 as age union all select 'grace', 38

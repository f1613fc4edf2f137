/*---
export: orders.csv
---*/
select 1 as one

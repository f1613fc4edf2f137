/*---
export: ../exports/x.csv
---*/
select 1 as one

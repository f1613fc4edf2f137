/*---
export: {path: exports/same.csv}
---*/
select 1 as one

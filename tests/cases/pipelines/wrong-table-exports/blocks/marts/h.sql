/*---
export: {target: serving, path: exports/x.csv}
---*/
select 1 as one

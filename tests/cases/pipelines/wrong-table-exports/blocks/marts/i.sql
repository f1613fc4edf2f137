/*---
export: {path: exports/x.csv, mode: append}
---*/
select 1 as one

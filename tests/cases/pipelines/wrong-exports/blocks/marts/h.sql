/*---
export: {path: exports/a.csv, compression: snappy}
---*/
select 1 as one

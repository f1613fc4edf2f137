/*---
export: exports/../y.csv
---*/
select 1 as one

/*---
export: exports/x.dat
---*/
select 1 as one

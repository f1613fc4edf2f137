/*---
materialize: ephemeral
export: exports/j.csv
---*/
select 1 as one

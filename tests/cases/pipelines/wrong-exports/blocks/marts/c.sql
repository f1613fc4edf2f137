/*---
export: /tmp/x.csv
---*/
select 1 as one

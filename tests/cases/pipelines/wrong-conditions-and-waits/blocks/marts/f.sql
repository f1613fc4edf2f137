/*---
wait_for:
  - {file: a.csv}
  - {timeout: 1h}
---*/
select 1 as one

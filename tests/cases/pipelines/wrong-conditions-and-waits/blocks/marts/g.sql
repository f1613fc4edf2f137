/*---
wait_for: {file: ../a}
---*/
select 1 as one

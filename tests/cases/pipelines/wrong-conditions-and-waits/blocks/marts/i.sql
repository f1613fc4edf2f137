/*---
wait_for: {time: '7'}
---*/
select 1 as one

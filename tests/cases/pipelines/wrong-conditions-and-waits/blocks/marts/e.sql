/*---
wait_for: {file: a, time: '07:00'}
---*/
select 1 as one

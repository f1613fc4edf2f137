/*---
wait_for: {time: '07:00', timezone: Europe/Berlim}
---*/
select 1 as one

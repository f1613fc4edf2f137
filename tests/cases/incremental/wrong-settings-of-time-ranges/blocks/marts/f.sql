/*---
start: 2026-01-01
---*/
select 1 as moment

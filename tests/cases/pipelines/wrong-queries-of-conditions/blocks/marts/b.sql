/*---
when: select one from marts.b where one > 1
---*/
select 1 as one

/*---
when: perhaps
---*/
select 1 as one

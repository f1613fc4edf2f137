/*---
when: [a]
---*/
select 1 as one

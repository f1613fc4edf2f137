/*---
when: select from where
---*/
select 1 as one

/*---
when: |
  select count(*) > 1
  from marts.switch
---*/
select 1 as one

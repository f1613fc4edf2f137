/*---
pre_statements:
  - set variable x = 1
  - insert into nothing_there values (1)
---*/
select 1 as id

/*---
retries: {count: 2, delay: 0.01s}
pre_statements:
  - insert into main.tries values (1)
---*/
select case when count(*) < 3 then error('it is too early') else count(*) end as tries from main.tries

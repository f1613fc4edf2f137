/*---
retries: {count: 1, delay: 0.01s}
---*/
select case when count(*) < 100 then error('it never is') else 1 end as tries from main.tries

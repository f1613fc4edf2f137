/*---
materialize: ephemeral
when: true
retries: 1
---*/
select 1 as one

/*---
strategy: append
protect: true
---*/
select 1 as id

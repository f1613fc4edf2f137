/*---
target: far
---*/
select id from staging.a

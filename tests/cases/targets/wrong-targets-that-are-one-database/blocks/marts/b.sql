/*---
target: same
---*/
select id from staging.a

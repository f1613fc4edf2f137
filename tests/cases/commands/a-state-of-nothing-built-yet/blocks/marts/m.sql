/*---
assert: [n > 0]
---*/
select count(*) as n from stg

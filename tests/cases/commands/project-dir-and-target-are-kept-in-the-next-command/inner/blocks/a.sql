/*---
assert: [n > 1]
---*/
select 1 as n

/*---
assert: [n = 1]
---*/
select {{ var('n') }} as n

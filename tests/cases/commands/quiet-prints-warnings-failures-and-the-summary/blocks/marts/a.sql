/*---
assert:
  - expression: n > 1
    severity: warn
---*/
select 1 as n

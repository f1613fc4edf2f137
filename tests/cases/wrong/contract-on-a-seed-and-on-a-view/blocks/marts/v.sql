/*---
materialize: view
contract: true
columns:
  n: {type: integer}
---*/
select 'one' as n

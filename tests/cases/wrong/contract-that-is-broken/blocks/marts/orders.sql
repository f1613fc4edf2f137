/*---
contract: true
columns:
  id: {type: bigint}
  amount: {type: "decimal(12,2)"}
  missing: {type: text}
  anything: No type is asked for.
---*/
select 1 as id, 2.5 as amount, 'x' as extra, 1 as anything

/*---
contract: true
columns:
  id: {type: int}
  amount: {type: "decimal(12, 2)"}
  note: {type: text}
  at: {type: timestamptz}
  xs: {type: "integer[]"}
---*/
select 1 as id, 2.5::decimal(12,2) as amount, 'x' as note, timestamptz '2026-01-01 00:00:00+00' as at, [1] as xs

/*---
materialize: snapshot
key: id
check: all
contract: true
columns:
  id: {type: bigint}
  valid_from: {type: date}
---*/
select id from raw.people

/*---
materialize: ephemeral
assert: [unique: id, id < 2]
---*/
select unnest([1, 1, 2]) as id

/*---
materialize: snapshot
key: id
check: valid_from
---*/
select * from raw.people

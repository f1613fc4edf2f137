/*---
materialize: snapshot
key: id
check: all
---*/
select * from raw.people

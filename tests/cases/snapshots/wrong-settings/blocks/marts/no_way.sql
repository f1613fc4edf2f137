/*---
materialize: snapshot
key: id
---*/
select * from raw.people

/*---
materialize: snapshot
key: id
check: city
---*/
select * from raw.people

/*---
materialize: snapshot
key: id
check: city
protect: true
---*/
select * from raw.people

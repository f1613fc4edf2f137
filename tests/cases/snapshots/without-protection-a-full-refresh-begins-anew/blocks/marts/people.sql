/*---
materialize: snapshot
key: id
check: city
protect: false
---*/
select * from raw.people

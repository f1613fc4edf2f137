/*---
materialize: snapshot
key: id
check: city
---*/
select id, city from raw.people

/*---
materialize: snapshot
key: person
check: all
---*/
select * from raw.people

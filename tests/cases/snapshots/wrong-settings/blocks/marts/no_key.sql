/*---
materialize: snapshot
check: all
---*/
select * from raw.people

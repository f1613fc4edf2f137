/*---
materialize: snapshot
key: [id, shop]
check: all
---*/
select * from raw.people

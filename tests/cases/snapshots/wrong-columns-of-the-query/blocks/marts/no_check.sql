/*---
materialize: snapshot
key: id
check: [citi]
---*/
select * from raw.people

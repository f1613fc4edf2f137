/*---
materialize: snapshot
key: id
check: city
updated_at: day
---*/
select * from raw.people

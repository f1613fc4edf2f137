/*---
materialize: snapshot
key: id
updated_at: dey
---*/
select * from raw.people

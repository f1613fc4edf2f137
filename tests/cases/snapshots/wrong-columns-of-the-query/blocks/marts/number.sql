/*---
materialize: snapshot
key: id
updated_at: number
---*/
select * from raw.people

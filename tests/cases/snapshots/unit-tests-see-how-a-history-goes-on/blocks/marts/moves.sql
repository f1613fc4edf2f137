/*---
materialize: snapshot
key: id
updated_at: day
---*/
select * from raw.moves

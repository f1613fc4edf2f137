/*---
materialize: snapshot
key: id
updated_at: day
---*/
select id, nullif(day, date '2026-01-01') as day from raw.people

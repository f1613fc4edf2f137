/*---
materialize: snapshot
key: id
check: all
---*/
select nullif(id, 2) as id, city from raw.people

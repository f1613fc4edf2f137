/*---
materialize: snapshot
key: id
check: [city]
on_schema_change: append
---*/
select id, city from raw.people

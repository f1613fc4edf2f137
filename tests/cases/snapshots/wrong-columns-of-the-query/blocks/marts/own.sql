/*---
materialize: snapshot
key: id
check: all
---*/
select *, day as valid_from from raw.people

/*---
materialize: incremental
strategy: delete_insert
key: id
---*/
select id, line, price from raw.lines

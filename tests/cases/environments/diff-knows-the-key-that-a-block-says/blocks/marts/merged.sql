/*---
materialize: incremental
strategy: merge
key: [id, line]
---*/
select id, line, price from raw.lines

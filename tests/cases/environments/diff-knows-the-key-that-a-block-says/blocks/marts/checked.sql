/*---
materialize: snapshot
key: [ID, line]
check: [price]
---*/
select id, line, price from raw.lines

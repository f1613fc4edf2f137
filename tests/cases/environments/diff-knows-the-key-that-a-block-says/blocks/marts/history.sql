/*---
materialize: snapshot
key: [id, line]
updated_at: changed_on
---*/
select id, line, price, changed_on from raw.lines

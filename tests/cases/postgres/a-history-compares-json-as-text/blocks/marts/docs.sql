/*---
materialize: snapshot
key: id
check: all
indexes: [id]
options: {fillfactor: 80}
---*/
select id, doc, tags, seen from raw.docs

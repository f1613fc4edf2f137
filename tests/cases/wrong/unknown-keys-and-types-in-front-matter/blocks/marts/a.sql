/*---
descripton: Misspelled.
materialize: tabel
enabled: 3
tags: {a: b}
timeout: -5
columns:
  id: {typ: integer}
indexes: [{cols: id}]
---*/
select 1 as id

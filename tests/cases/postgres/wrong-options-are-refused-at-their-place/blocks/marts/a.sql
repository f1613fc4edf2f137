/*---
options:
  unloged: true
  fillfactor: 5
  statistics: {id: many}
  partition_by: {column: id, every: hour}
---*/
select 1 as id

/*---
indexes: [{columns: id, unique: true}]
---*/
select unnest([1, 1]) as id

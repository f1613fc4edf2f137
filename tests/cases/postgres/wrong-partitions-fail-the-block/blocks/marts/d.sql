/*---
options: {partition_by: day}
indexes: [{columns: id, unique: true}]
---*/
select date '2026-01-01' as day, 1 as id

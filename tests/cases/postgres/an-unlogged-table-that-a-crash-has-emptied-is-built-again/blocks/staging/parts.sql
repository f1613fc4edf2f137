/*---
options: {unlogged: true, partition_by: day}
---*/
select date '2026-01-01' as day

/*---
options: {partition_by: missing}
---*/
select 1 as id

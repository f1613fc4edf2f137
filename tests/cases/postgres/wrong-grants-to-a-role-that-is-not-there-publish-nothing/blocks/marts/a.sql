/*---
grants: {select: [sqlflow_nobody_at_all]}
---*/
select 1 as id

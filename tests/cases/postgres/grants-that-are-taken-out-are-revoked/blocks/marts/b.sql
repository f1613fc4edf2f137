/*---
grants: {select: sqlflow_reader}
---*/
select id from a

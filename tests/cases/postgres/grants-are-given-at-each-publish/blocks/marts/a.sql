/*---
grants: {select: [sqlflow_reader, public], update: []}
---*/
select 1 as id

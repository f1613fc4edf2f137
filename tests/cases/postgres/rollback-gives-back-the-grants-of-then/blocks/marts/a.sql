/*---
grants: {select: [sqlflow_reader, public], update: sqlflow_writer}
columns: {id: The one.}
---*/
select 1 as id, 2 as other

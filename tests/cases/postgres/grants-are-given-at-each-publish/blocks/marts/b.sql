/*---
materialize: view
grants: {SELECT: sqlflow_reader}
---*/
select id from a

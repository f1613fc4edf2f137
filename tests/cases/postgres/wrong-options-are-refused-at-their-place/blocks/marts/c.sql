/*---
materialize: view
options: {fillfactor: 70}
---*/
select 1 as id

/*---
materialize: view
---*/
select n from as_view

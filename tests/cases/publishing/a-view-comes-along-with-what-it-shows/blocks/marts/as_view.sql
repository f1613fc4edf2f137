/*---
materialize: view
---*/
select n from helper

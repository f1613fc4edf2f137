/*---
materialize: view
---*/
select id from a

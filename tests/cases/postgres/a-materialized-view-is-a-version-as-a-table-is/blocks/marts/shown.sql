/*---
materialize: view
---*/
select id from sums

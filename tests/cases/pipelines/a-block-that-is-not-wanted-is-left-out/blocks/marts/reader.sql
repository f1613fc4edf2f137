/*---
materialize: view
---*/
select * from marts.french

/*---
materialize: materialized_view
---*/
select 1 as id

/*---
materialize: incremental
strategy: append
---*/
select id from {{ this }}

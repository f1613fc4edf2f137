/*---
materialize: incremental
strategy: append
export: {target: serving, mode: append}
---*/
select 1 as one

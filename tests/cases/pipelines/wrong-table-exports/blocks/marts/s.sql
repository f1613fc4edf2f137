/*---
materialize: ephemeral
export: {target: serving}
---*/
select 1 as one

/*---
materialize: ephemeral
fresh_within: 1h
---*/
select 1 as id

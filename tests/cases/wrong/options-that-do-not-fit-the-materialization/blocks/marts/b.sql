/*---
materialize: ephemeral
pre_statements: set variable x = 1
---*/
select 1 as id

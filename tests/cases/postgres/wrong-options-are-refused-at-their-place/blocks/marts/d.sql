/*---
materialize: ephemeral
grants: {select: [ada]}
---*/
select 1 as id

/*---
weight: 2
---*/
select 1 as one

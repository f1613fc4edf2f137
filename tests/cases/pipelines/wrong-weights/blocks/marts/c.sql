/*---
pool: free
weight: 3
---*/
select 1 as one

/*---
priority: high
retries: -1
weight: 0
---*/
select 1 as one

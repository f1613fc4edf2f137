/*---
tags: [a]
tags: [b]
---*/
select 1 as id

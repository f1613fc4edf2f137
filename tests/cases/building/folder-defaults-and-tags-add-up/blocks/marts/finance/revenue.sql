/*---
tags: monthly
---*/
select 1 as revenue

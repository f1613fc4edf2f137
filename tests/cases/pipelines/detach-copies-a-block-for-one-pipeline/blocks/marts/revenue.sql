/*---
description: What came in.
---*/
select 1 as revenue

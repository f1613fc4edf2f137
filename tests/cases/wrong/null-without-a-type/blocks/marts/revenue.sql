/*---
description: Revenue.
---*/
select 1 as id, null as amount

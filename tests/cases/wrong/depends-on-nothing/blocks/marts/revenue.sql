/*---
description: Revenue.
depends_on: [staging.order, nothing]
---*/
select 1 as n

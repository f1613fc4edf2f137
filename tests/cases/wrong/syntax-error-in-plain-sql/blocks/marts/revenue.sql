/*---
description: Revenue.
---*/
select
    id,
    sum(amount as total
from orders

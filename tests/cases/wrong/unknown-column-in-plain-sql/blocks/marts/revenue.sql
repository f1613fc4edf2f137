/*---
description: Revenue.
materialize: view
---*/
select a_block_with_a_very_long_name_indeed.order_id, o.amount,
    o.amuont
from staging.a_block_with_a_very_long_name_indeed
join staging.a_block_with_a_very_long_name_indeed as o using (order_id)

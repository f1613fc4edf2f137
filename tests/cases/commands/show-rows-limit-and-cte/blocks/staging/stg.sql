/*---
description: Orders, cleaned.
materialize: view
tags: [staging]
owner: data-team
assert: [unique: id]
---*/
with small as (select * from raw.orders where id < {{ var('limit') }}), large as (select * from orders where id > 2)
select id, {{ twice('amount') }} as amount, note from small union all select * from large

/*---
materialize: ephemeral
---*/
select id, ordered_on from raw.orders where ordered_on <= cast(now() as date)

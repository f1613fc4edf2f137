/*---
tags: [daily]
owner: data-team
---*/
select 1 as n from raw.orders

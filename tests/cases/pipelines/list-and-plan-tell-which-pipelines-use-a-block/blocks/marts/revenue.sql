/*---
tags: [daily]
---*/
select count(*) as orders, sum(amount) as revenue from staging.orders

/*---
name: totals agree
description: Revenue is the sum of the orders.
---*/
select r.amount as revenue, o.amount as orders from marts.revenue as r, orders as o where r.amount <> o.amount

/*---
description: Who has ordered.
columns: {customer: By name.}
---*/
select distinct customer from orders

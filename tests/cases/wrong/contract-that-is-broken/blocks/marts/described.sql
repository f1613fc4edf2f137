/*---
columns: {amuont: What it costs.}
---*/
select 1 as amount

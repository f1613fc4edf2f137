/*---
options: {partition_by: day}
---*/
select happened_at::date as day, id from events where id < 4

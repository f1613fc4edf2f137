/*---
on_success: insrt into x
---*/
select 1 as one

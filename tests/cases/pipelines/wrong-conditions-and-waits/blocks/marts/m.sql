/*---
on_failure: {a: b}
---*/
select 1 as one

/*---
fail_above: 0.1%
---*/
select * from a where id < 0

/*---
target: lakes
---*/
select * from marts.lines where id <> 1

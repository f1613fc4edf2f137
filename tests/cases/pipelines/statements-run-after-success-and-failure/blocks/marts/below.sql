/*---
on_failure: insert into main.log values ('below', 3)
---*/
select * from marts.bad

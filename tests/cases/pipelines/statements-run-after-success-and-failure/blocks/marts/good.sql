/*---
on_success: insert into main.log select 'good', min(one) from marts.good
on_failure: insert into main.log values ('bad', 0)
---*/
select 1 as one

/*---
assert: [one > 1]
on_failure:
  - insert into main.log values ('{{ this }}', 2)
  - select error('no such luck')
---*/
select 1 as one

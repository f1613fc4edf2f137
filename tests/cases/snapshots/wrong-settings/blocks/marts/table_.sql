/*---
check: all
updated_at: day
hard_deletes: ignore
---*/
select 1 as id

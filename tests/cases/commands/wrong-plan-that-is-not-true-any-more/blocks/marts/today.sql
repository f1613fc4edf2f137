/*---
refresh: daily
---*/
select cast(now() as date) > date '2026-01-01' as is_later

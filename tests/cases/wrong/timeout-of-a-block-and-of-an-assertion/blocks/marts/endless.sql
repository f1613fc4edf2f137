/*---
timeout: 0.05s
---*/
with recursive t as (select 1 as n union all select n + 1 from t where n < 1000000000)
select max(n) as n from t

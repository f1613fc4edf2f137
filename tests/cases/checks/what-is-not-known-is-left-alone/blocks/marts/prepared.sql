/*---
pre_statements: create macro if not exists nothing() as 1
---*/
select nothing() as n

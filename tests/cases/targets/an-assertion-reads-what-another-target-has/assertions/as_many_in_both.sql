/*---
target: serve
---*/
select 'differs' as what where (select count(*) from marts.customers) <> (select count(*) from marts.known)

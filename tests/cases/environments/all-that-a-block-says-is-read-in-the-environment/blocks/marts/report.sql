/*---
pre_statements: insert into seen.log select cast(n as varchar) from marts.gone where n = 7
post_statements: insert into seen.log select cast(count(*) as varchar) from staging.orders
assert:
  - {sql: select * from marts.report where n <> (select count(*) from staging.orders), name: as_many}
---*/
{% set rows = query('select count(*) as n from staging.orders') %}
select {{ rows[0].n }} as n, (select count(*) from marts.helper) as m

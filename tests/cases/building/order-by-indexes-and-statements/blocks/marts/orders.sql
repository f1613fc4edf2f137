/*---
order_by: [amount desc, id]
indexes:
  - id
  - [customer, id]
  - {columns: customer, unique: false}
  - {columns: [id, amount], unique: true}
pre_statements:
  - create temp table if not exists numbers as select 7 as lucky
  - set variable lucky = 7
post_statements: update {{ this }} set amount = amount + 1 where id = 1
assert: [row_count: {equals: staging.orders}, "not exists (select 1 from {{ this }} where id = 1 and amount <> 11)"]
---*/
select id, customer, amount, getvariable('lucky') as lucky from staging.orders

/*---
assert:
  - references: {id: marts.customer.id}
  - row_count: {equals: marts.costumers}
  - id in (select id from marts.custmers)
---*/
select 1 as id

/*---
assert:
  - references: {customer: marts.customers.customer_id}
  - unique: [customer, idd]
  - matches: {customer: '^a'}
  - freshness: {column: customer, within: 1 day}
  - range: {customer: {min: a}}
  - row_count: {min: 1}
    where: idd > 1
  - expression: >
      customer > 1
      and idd > 1
  - customer > 2 and
    iddd > 1
---*/
select 1 as customer

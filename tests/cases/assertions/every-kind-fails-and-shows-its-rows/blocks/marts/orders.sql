/*---
columns:
  status: {assert: not_null}
assert:
  - unique: id
  - unique: [id, status]
  - not_null: amount
  - accepted_values: {status: [placed]}
  - references: {customer_id: marts.customers.customer_id}
  - row_count: {min: 9}
  - row_count: {equals: marts.customers}
  - range: {amount: {min: 2, max: 3}}
  - matches: {code: '^[A-Z]{3}$'}
  - freshness: {column: ordered_at, within: 2 days}
  - amount > 100
  - expression: amount <> 7
    name: no seven
    description: Seven is the test order of the till.
  - select id, amount from {{ this }} where amount = 7
  - at_most: {column: amount, limit: 5}
---*/
select * from (values
    (1, 1, 'placed', 1.5, 'ABC', timestamp '2020-01-01 10:00:00'),
    (1, 2, null, 7, 'ab', timestamp '2020-01-02 10:00:00'),
    (2, null, 'lost', null, null, timestamp '2020-01-02 10:00:00')
) as t(id, customer_id, status, amount, code, ordered_at)

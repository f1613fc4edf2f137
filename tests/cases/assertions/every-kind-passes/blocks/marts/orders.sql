/*---
columns:
  id: {assert: [not_null, unique, {range: {min: 1, max: 3}}]}
  status: {description: Where the order is., assert: [accepted_values: [placed, shipped]]}
assert:
  - unique: [customer_id, id]
  - not_null: [customer_id, amount]
  - references: {customer_id: staging.customers.customer_id}
  - row_count: {min: 1, max: 3}
  - row_count: {equals: marts.same_orders}
    name: as many as before
  - range: {amount: {min: 0}, customer_id: {max: 3}}
  - matches: {code: '^[A-Z]{3}$'}
  - freshness: {column: ordered_at, within: 2 days}
  - amount >= 0 and amount < {{ var('most') }}
  - expression: length(code) = 3
    name: three letters
  - select * from {{ this }} where amount < 0
  - sql: select 1 as bad from {{ this }} group by all having count(*) > 3
  - at_most: {column: amount, limit: 50}
  - id in (select id from marts.same_orders)
---*/
select
    id,
    case when id = 3 then null else id end::integer % 2 + 1 as customer_id,
    'placed' as status,
    id * 1.5 as amount,
    'ABC' as code,
    now()::timestamp as ordered_at
from marts.same_orders
where id < 3

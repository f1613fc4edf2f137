/*---
assert:
  - public.looked(id)
  - expression: public.looked(id) -- each row is looked at
    name: looked at again
  - not_null: [id, amount]
  - accepted_values: {status: [placed, 'it''s lost']}
  - range: {amount: {min: 1, max: 100}}
  - matches: {code: '^[A-Z]+$'}
  - expression: 10 / (id - 1) > 4
    where: id > 1
  - expression: amount < 7
    severity: warn
    sample_rows: 1
  - expression: amount < 5
    name: borne
    fail_above: 25%
  - expression: id <> 4
    name: by itself
    timeout: 1 minute
  - unique: id
---*/
select * from (values
    (1::bigint, 'placed', 1.5, 'A'),
    (2, 'it''s lost', null, 'B'),
    (3, 'returned', 7, 'c'),
    (4, null, 2, null)
) as t (id, status, amount, code)

/*---
columns:
  id: {assert: [unqiue, {range: {}}, {matches: ''}]}
assert:
  - unique: id
    not_null: id
  - uniqe: id
  - positve: id
  - severity: warn
  - not_null
  - accepted_values: {status: placed}
  - accepted_values: [placed]
  - references: {id: customers}
  - row_count: {}
  - row_count: {minimum: 1}
  - row_count: {min: 1, maxx: 2}
  - row_count: {min: -1}
  - range: {id: {}}
  - freshness: {column: at}
  - freshness: {column: at, within: soon}
  - unique: id
    severity: warning
  - unique: [id, status]
    fail_above: lots
  - unique: [id, at]
    fail_above: 120%
  - not_null: status
    sample_rows: -1
  - not_null: at
    whree: id > 1
  - not_null: []
  - [unique, id]
  - sql: ''
  - expression: {a: b}
---*/
select 1 as id, 'placed' as status, now() as at

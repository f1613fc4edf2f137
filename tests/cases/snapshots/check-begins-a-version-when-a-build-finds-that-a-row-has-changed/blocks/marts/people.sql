/*---
materialize: snapshot
key: id
check: [name, city]
order_by: [id, valid_from]
assert:
  - unique: [id, valid_from]
  - not_null: [valid_from, is_current]
  - valid_to > valid_from
---*/
select id, name, city, visits from raw.people

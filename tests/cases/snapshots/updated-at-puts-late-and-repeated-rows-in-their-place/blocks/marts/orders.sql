/*---
materialize: snapshot
key: [id]
updated_at: changed_at
hard_deletes: ignore
order_by: [id, valid_from]
assert:
  - unique: [id, valid_from]
---*/
select id, status, cast(changed_at as timestamp) as changed_at from raw.orders

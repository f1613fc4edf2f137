/*---
materialize: ephemeral
assert:
  - references: {id: marts.referenced.id}
    where: id in (select id from expected)
---*/
select id from marts.expected

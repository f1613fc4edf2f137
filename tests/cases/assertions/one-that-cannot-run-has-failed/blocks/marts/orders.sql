/*---
assert:
  - not_null: amuont
  - cast(note as integer) > 0
  - expression: price > 0
    severity: warn
  - sql: |
      select *
      from {{ this }}
      where missing_function(id)
---*/
select 1 as id, 5 as amount, 'x' as note

/*---
assert:
  - id >
  - select * form {{ this }}
  - expression: id > {{ nothing }}
  - not_null: id
    where: id = = 1
  - sql: |
      select *
      from {{ this }}
      where where id > 1
  - broken: {column: id}
  - delete from {{ this }}
---*/
select 1 as id

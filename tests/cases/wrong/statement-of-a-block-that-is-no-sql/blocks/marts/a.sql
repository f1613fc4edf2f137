/*---
pre_statements:
  - set variable x = 1
  - sett variable y = 2
post_statements: |
  delete from {{ this }}
  were id = 1
---*/
select 1 as id

/*---
assert:
  - expression: id > 10
    fail_above: 10
    name: ten rows are borne
  - expression: id > 10
    fail_above: 9
    name: nine rows are borne
  - expression: id > 10
    fail_above: 10%
    name: ten percent are borne
  - expression: id > 10
    fail_above: 9.9%
    name: less than ten percent are borne
    severity: warn
    sample_rows: 2
  - expression: id > 10
    name: no rows are kept
    severity: warn
    sample_rows: 0
---*/
select range as id from range(1, 101)

/*---
materialize: view
assert: [n < 10, unique: n]
---*/
select n from raw.numbers

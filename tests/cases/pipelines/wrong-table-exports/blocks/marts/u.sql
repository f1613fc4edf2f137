/*---
export: {target: serving, delimiter: ";"}
---*/
select 1 as one

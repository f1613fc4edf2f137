/*---
wait_for: {query: selec 1}
---*/
select 1 as one

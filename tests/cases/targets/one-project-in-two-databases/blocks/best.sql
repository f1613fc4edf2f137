/*---
target: serve
materialize: view
---*/
select customer, built_in from ranks join revenue using (customer) where rank = 2

/*---
materialize: materialized_view
description: Sums.
options: {fillfactor: 90, statistics: {id: 50}}
indexes: [{columns: id, unique: true}]
order_by: [id]
assert: [amount < 100]
---*/
select id, sum(amount) as amount from staging.big group by id

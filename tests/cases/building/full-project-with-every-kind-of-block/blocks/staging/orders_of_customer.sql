/*---
materialize: ephemeral
---*/
select customer_id, sum(amount) as amount from stg_orders group by all

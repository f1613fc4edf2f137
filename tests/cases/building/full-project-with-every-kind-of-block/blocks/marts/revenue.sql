/*---
assert: [not_null: [country, revenue], revenue > 0]
---*/
select country, '{{ var("currency") }}' as currency, sum(amount) as revenue
from staging.orders_of_customer
join stg_customers using (customer_id)
group by all

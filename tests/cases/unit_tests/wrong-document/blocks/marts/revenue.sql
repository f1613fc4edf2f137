select ordered_on, '{{ var('currency') }}' as currency, sum(amount) as revenue, count(*) as orders
from staging.orders
where is_paid
group by ordered_on

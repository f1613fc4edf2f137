/*---
description: What came in.
assert: ["country = '{{ var('country') }}'"]
---*/
select country, sum(amount) as revenue from orders where country = '{{ var('country') }}' group by country

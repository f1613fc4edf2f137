/*---
materialize: ephemeral
---*/
select amount * {{ var('factor', 1) }} as amount, '{{ query("select max(amount) as m from staging.orders")[0].m }}' as big
from int_all

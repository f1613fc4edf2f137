/*---
assert: [{unique: id}]
---*/
select
    id,
    customer,
    amount,
    {{ upper_of('status') }} as status
from raw.orders
where amount > {{ var('low') }}

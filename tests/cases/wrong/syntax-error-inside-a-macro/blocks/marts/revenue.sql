select
    id,
    {{ money('amount') }} as amount
from orders

select
    id, amount, 1 as ID,
    sum(amount) over (),
    amount + 1,
    amount * 2 as twice
from staging.orders

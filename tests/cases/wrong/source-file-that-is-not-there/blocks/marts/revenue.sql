select count(*) as n
from raw.orders

select web.orders.id, web.orders.amount as web_amount, store.orders.amount as store_amount
from web.orders
join store.orders on web.orders.id = store.orders.id

select id, customer, amount, status from raw.orders

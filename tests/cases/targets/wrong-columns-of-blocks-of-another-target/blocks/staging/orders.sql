select id, customer, amount from raw.orders

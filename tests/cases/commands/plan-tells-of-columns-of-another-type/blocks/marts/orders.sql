select id, amount, day from raw.orders

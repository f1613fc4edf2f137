describe staging.orders

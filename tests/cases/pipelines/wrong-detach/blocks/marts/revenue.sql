select {{ var('n', 1) }} as revenue from orders

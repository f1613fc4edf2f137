select sum(amount) as revenue from orders

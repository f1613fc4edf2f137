select count(amount) as amounts from orders

select n from orders

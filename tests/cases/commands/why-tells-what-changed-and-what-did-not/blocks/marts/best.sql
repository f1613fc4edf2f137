select max(total) as best from customers

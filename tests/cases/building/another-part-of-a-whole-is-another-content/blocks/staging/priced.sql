select price as amount from (values (5, 3), (8, 2)) as t(price, cost)

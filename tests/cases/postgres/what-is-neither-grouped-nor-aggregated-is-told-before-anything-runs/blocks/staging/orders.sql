select id, customer, amount from (values (1, 'ada', 5), (2, 'grace', 8)) as t (id, customer, amount)

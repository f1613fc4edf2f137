select * from (values (1, 'ada', 10), (2, 'bob', 20), (3, 'ada', 20)) as t(id, customer, amount)

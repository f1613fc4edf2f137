select * from (values (1, 10.5, 'a'), (2, 20.25, 'b'), (3, null, null)) as t(id, amount, note)

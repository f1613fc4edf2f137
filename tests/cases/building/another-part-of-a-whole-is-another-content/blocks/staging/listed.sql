select a, a - b as gain from (values (1, 2), (3, 5)) as t(a, b)

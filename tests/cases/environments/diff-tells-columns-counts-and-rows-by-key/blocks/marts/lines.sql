select * from (values ('a', 1), ('a', 1), ('b', 2)) as lines (item, pieces)

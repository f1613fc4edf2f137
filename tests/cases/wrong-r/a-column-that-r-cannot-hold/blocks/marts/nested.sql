select [1, 2] as items, 1 as id

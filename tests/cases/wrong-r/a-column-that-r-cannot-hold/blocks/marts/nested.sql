select interval 1 day as items, 1 as id

select 1 as as id

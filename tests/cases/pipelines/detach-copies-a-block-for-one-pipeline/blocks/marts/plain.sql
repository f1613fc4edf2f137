select 1 as plain

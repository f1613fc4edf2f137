select 9 as id, 1.50 as amount, 'raw' as note

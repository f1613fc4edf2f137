select ‘x’ as id

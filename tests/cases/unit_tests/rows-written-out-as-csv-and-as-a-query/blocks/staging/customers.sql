select 10 as id, 'AT' as country, false as is_test

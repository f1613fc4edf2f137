select 1 as id, '{{ '{{ var("x") }}' }}' as text

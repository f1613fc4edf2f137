select
    1 as id,
    {{ 2 }} as two,
    3 as as three

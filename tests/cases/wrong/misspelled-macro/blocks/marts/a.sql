select
    1 as id, {{ monney('1') }} as a

with small as (select 1 as id), large as (select 2 as id) select * from small

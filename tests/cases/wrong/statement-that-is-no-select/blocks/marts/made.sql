create table marts.made as select 1 as id

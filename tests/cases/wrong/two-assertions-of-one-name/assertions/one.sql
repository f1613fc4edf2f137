select 1 as id from marts.a where id > 1

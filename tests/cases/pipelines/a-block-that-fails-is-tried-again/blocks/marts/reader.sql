select * from marts.never

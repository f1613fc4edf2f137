select * from marts.late

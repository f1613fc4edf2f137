select * from marts.c

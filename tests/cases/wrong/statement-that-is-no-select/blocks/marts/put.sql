insert into marts.x values (1)

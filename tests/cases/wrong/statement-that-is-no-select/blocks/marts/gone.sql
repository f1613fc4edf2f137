-- tidy up
drop table marts.x

select id from marts.b

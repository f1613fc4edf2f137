select id from two

select id from numbers

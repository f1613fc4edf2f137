select id + 1 as id from raw.numbers

select id from first

select id from third

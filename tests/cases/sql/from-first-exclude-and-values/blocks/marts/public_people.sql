from staging.people select * exclude (password) where id < 2

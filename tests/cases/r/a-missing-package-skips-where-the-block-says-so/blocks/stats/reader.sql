select * from stats.daily

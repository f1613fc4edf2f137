select count(*) as n from marts.live having n < 2

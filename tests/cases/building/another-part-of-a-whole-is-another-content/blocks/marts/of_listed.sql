select sum(gain) as gain from staging.listed

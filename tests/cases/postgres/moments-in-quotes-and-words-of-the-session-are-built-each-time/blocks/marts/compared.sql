select count(*) as n from marts.labels where seen < 'tomorrow 12:00 UTC'

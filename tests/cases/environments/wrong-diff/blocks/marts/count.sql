select count(*) as n from helper

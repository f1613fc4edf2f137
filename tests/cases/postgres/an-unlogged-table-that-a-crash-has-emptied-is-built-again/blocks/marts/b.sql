select count(*) as n from v

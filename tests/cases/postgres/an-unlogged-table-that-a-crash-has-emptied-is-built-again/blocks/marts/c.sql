select count(*) as n from parts

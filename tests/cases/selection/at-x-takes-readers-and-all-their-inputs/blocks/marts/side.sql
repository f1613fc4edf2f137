select 0 as n from b

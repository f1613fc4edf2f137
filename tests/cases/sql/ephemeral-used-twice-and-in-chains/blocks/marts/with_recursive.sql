with recursive countdown(n) as (select max(n) from doubled union all select n - 1 from countdown where n > 4)
select n from countdown

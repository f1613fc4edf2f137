with x as (select 1 as n)
select x.n from x join marts.b using (n)

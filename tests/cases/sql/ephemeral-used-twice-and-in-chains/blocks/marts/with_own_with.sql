with doubled_again as (select n * 2 as n from helpers.doubled)
select doubled_again.n, 'x' as x from doubled_again where n in (select n * 2 from doubled)

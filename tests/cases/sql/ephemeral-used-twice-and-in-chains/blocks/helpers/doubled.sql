with numbers as (select n from helpers.numbers)
select n * 2 as n from numbers

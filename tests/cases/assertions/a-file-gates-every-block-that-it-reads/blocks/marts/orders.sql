select 6 as amount

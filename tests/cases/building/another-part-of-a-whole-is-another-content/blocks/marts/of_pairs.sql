select max(amount) as amount, sum(case when amount > 2 then more end) as more from staging.pairs

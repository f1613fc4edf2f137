select sum(amount) as amount from staging.priced

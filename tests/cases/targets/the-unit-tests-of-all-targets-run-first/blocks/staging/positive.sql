select id, amount from staging.orders where amount > 0

select 1 as "Order Id", 2 as Amount

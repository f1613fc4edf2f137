select sum(amonut) as amount from raw.orders

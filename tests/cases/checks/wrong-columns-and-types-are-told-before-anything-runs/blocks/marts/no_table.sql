select orders.id from staging.orders as o

select warehouse.staging.orders.id from warehouse.staging.orders

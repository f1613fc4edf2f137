select {{ total() }} as total from staging.orders

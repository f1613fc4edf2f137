select coalesce(id, ordered_on) as x from staging.orders

select orders.id from marts.orders anti join staging.customers using (customer_id)

select column_name, count from (summarize staging.orders)

select id, name
from staging.orders, staging.customers

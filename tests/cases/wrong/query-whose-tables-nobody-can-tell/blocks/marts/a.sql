select *
from query_table('staging.orders')

select customers.id as customer_id, customers.name, countries.long_name as country
from raw.customers
join raw.countries on countries.code = customers.country

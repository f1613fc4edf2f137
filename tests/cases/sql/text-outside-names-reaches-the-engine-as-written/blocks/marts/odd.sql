/* orders */ select
    'from staging.orders'  as text, -- staging.orders
	staging . orders . id
from   staging /* here */ . orders

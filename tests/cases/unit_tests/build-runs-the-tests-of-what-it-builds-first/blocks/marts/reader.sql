select max(amount) as amount from marts.doubled

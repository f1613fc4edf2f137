select o.id, o.amount * r.rate as amount, o.note, o.code, o.is_paid, o.at, o.tags, 0.1 + 0.2::double as share
from staging.orders as o
cross join ref.rates as r

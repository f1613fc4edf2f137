select p.id, p.name, count(*) as n from raw.people p join staging.orders o on o.customer = p.name group by p.id

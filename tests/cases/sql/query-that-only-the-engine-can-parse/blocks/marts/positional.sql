select a.id, b.kind from staging.orders as a positional join orders as b

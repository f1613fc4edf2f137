select 1 as id, cast(2.5 as decimal(10, 2)) as amount, date '2026-01-03' as ordered_on, true as is_paid

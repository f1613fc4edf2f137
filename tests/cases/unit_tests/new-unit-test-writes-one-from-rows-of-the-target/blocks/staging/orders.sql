select 1 as id, 2.50 as amount, 'it''s' as note, '007' as code, true as is_paid, timestamp '2026-01-03 12:00:00' as at, ['a', 'b'] as tags
union all
select 2, null, 'two
lines', '1', false, null, null

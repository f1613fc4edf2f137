select 'buy now' as label, 'todays' as other, timestamp '2026-01-01' as seen, 1 as "user"

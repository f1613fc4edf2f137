select 1 as id, map {'a': 1} as counts, '10:00:00+02'::timetz as at

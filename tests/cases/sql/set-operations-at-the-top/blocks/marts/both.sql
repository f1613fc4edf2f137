(select id, 'a' as origin from staging.a)
union all by name
(select 'b' as origin, id from staging.b)

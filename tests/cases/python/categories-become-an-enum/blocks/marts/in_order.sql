select
    size,
    row_number() over (order by size nulls last) as place,
    coalesce(size, 'none') as shown
from marts.sizes
union all
select size, 0, 'never' from marts.no_sizes

select
    id,
    current_date as today,
    now() as moment,
    current_timestamp as again,
    localtimestamp as local_moment,
    localtime as local_time,
    'now() and current_date' as words,
    clock."current_date" as own
from staging.recent
cross join (select 7 as "current_date") as clock
where ordered_on > current_date - 7

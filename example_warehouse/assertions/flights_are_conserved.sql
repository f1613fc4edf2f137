/*---
description: No flight is lost or doubled on its way from staging to the marts that count all of them.
---*/
with expected as (select count(*) as flights from staging.stg_flights),

counted as (
{%- for mart in ['carrier_performance', 'on_time_by_month', 'daily_punctuality', 'hourly_delays',
                 'route_performance', 'route_competition', 'carrier_share_by_month'] %}
    select '{{ mart }}' as mart, sum(flights) as flights from marts.{{ mart }}
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
)

select counted.mart, counted.flights, expected.flights as expected
from counted
cross join expected
where counted.flights <> expected.flights

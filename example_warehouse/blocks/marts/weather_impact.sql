/*---
description: >
  What the weather at the airport does to departures: for each kind of weather, the flights in each
  category against the average of all flights that have a reading.
tags: [weather]
order_by: [factor, category]
columns:
  factor: {description: "What is looked at: wind, visibility, precipitation or temperature.", assert: [not_null]}
  late_ratio: {description: "Share of late departures against that of all flights: 2 is twice as many."}
assert:
  - unique: [factor, category]
  - accepted_values: {factor: [wind, visibility, precipitation, temperature]}
  - sums_to: {column: share_of_flights, by: factor, tolerance: 0.002}
  - late_ratio > 0
---*/
{%- set factors = {
    'wind': banded('wind_speed_mph', [10, 20, 30], 'mph'),
    'visibility': 'visibility_category',
    'precipitation': 'precipitation_category',
    'temperature': "case when temperature_fahrenheit <= 32 then 'frost' when temperature_fahrenheit < 80 then 'mild' else 'hot' end",
} %}
with flights as (
    select *, coalesce(departure_delay_minutes >= {{ var('on_time_minutes') }}, false) as departed_late
    from intermediate.int_flight_weather
    where temperature_fahrenheit is not null
),

factors as (
{%- for factor, category in factors.items() %}
    select '{{ factor }}' as factor, {{ category }} as category, outcome, departure_delay_minutes, departed_late
    from flights
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
),

categories as (
    select
        factor,
        coalesce(category, 'unknown') as category,
        count(*) as flights,
        count(*) filter (where departed_late) as departed_late,
        {{ average("departure_delay_minutes") }} as average_departure_delay_minutes,
        {{ percent_of_rows("departed_late") }} as departed_late_percent,
        {{ percent_of_rows("outcome = 'cancelled'") }} as cancelled_percent
    from factors
    group by factor, coalesce(category, 'unknown')
)

select
    factor,
    category,
    flights,
    cast(1.0 * flights / sum(flights) over (partition by factor) as decimal(6, 5)) as share_of_flights,
    average_departure_delay_minutes,
    departed_late_percent,
    cancelled_percent,
    cast(
        (1.0 * departed_late / flights)
        / (1.0 * sum(departed_late) over (partition by factor) / sum(flights) over (partition by factor))
        as decimal(6, 2)
    ) as late_ratio
from categories

/*---
description: The year in twelve rows, with the worst day of each month.
tags: [calendar]
order_by: [month]
columns:
  month: {assert: [not_null, unique, {range: {min: 1, max: 12}}]}
  worst_day: {description: "The day with the fewest flights on time, in per cent."}
assert:
  - row_count: {min: 12, max: 12}
  - flights = completed + diverted + cancelled
  - name: the_worst_day_is_in_its_month
    expression: extract(month from worst_day) = month
---*/
with months as (
    select
        month,
        count(*) as flights,
    {%- for outcome in ['completed', 'diverted', 'cancelled'] %}
        count(*) filter (where outcome = '{{ outcome }}') as {{ outcome }},
    {%- endfor %}
        {{ percent_of_rows("is_on_time") }} as on_time_percent,
        {{ average("departure_delay_minutes") }} as average_departure_delay_minutes
    from intermediate.int_flights
    group by month
),

days as (
    select
        month,
        flight_date,
        on_time_percent,
        row_number() over (partition by month order by on_time_percent, flight_date) as badness
    from marts.daily_punctuality
)

select
    months.*,
    days.flight_date as worst_day,
    days.on_time_percent as worst_day_on_time_percent
from months
inner join days on months.month = days.month and days.badness = 1

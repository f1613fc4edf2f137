/*---
description: How delays pile up over the day at each airport.
tags: [calendar]
order_by: [origin, scheduled_hour]
columns:
  late_share_change: {description: "Against the hour before, in percentage points."}
assert:
  - unique: [origin, scheduled_hour]
  - range: {scheduled_hour: {min: 0, max: 23}}
  - flights >= departed_late
---*/
with hours as (
    select
        origin,
        scheduled_hour,
        count(*) as flights,
        count(*) filter (where departed_late) as departed_late,
        {{ average("departure_delay_minutes") }} as average_departure_delay_minutes,
        {{ percent_of_rows("departed_late") }} as departed_late_percent,
        {{ percent_of_rows("outcome = 'cancelled'") }} as cancelled_percent
    from intermediate.int_flights
    group by origin, scheduled_hour
)

select
    *,
    departed_late_percent
    - lag(departed_late_percent) over (partition by origin order by scheduled_hour) as late_share_change
from hours

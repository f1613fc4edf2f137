/*---
description: The days with another number of flights than their season and weekday say, the most unusual first.
tags: [calendar]
order_by: [unusual_rank]
columns:
  flight_date: {assert: [not_null, unique]}
  expected_flights: {description: "What season and weekday say."}
  days_from_holiday: {description: "0 on the holiday itself, negative before it, positive after it."}
assert:
  - unique: unusual_rank
  - references: {flight_date: stats.schedule_pattern.flight_date}
  - row_count: {min: 1, max: 60}
---*/
select
    row_number() over (order by abs(pattern.deviation) desc, pattern.flight_date) as unusual_rank,
    pattern.flight_date,
    calendar.nearest_holiday,
    calendar.days_from_holiday,
    pattern.flights,
    cast(round(pattern.season + pattern.weekday) as integer) as expected_flights,
    cast(pattern.deviation as decimal(6, 1)) as deviation
from stats.schedule_pattern as pattern
inner join intermediate.int_calendar as calendar on pattern.flight_date = calendar.calendar_date
where abs(pattern.deviation) >= 5

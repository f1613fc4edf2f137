/*---
description: The three days before and after each holiday, against the average day of the year.
materialize: view
tags: [calendar]
columns:
  flights_against_average: {description: "1.1 is ten per cent more flights than on the average day."}
assert:
  - unique: [holiday, days_from_holiday]
  - range: {days_from_holiday: {min: -3, max: 3}}
  - references: {holiday: ref.holidays.holiday}
---*/
with average_day as (
    select avg(flights) as flights
    from marts.daily_punctuality
)

select
    calendar.nearest_holiday as holiday,
    calendar.days_from_holiday,
    days.flight_date,
    days.flights,
    days.cancelled,
    days.on_time_percent,
    cast(days.flights / average_day.flights as decimal(5, 3)) as flights_against_average
from marts.daily_punctuality as days
inner join intermediate.int_calendar as calendar on days.flight_date = calendar.calendar_date
cross join average_day
where calendar.days_from_holiday between -3 and 3

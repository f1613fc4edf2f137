/*---
description: One row per day of 2013, with the holiday nearest to it.
order_by: [calendar_date]
columns:
  calendar_date: {assert: [not_null, unique]}
  days_from_holiday: {description: "0 on the holiday itself, negative before it, positive after it."}
assert:
  - row_count: {min: 365, max: 365}
  - range: {iso_weekday: {min: 1, max: 7}}
---*/
with days as (
    select cast(day as date) as calendar_date
    from generate_series(
        timestamp '{{ var("first_day") }}', timestamp '{{ var("last_day") }}', interval '1 day'
    ) as series (day)
),

nearest as (
    select
        days.calendar_date,
        holidays.holiday,
        days.calendar_date - holidays.holiday_date as days_from_holiday,
        row_number() over (
            partition by days.calendar_date
            order by abs(days.calendar_date - holidays.holiday_date), holidays.holiday_date
        ) as nearness
    from days
    cross join ref.holidays as holidays
)

select
    calendar_date,
    cast(extract(month from calendar_date) as integer) as month,
    cast(extract(isodow from calendar_date) as integer) as iso_weekday,
    extract(isodow from calendar_date) >= 6 as is_weekend,
    holiday as nearest_holiday,
    cast(days_from_holiday as integer) as days_from_holiday,
    days_from_holiday = 0 as is_holiday
from nearest
where nearness = 1

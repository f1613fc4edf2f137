/*---
description: One row per day, with its weather and the average of the week that ends on it.
tags: [calendar, weather]
order_by: [flight_date]
columns:
  flight_date: {assert: [not_null, unique]}
  week_on_time_percent: {description: "Of the flights of this day and the six before it."}
  precipitation_inches: {description: "Of the day, averaged over the airports."}
  lowest_visibility_miles: {description: "At any of the three airports, null on the days without readings."}
assert:
  - row_count: {equals: intermediate.int_calendar}
  - at_least_one_row_per: {column: flight_date, parent: intermediate.int_calendar, parent_column: calendar_date}
  - range: {flights: {min: 500, max: 1100}}
  - cancelled <= flights
---*/
with days as (
    select
        flight_date,
        month,
        count(*) as flights,
        count(*) filter (where outcome = 'cancelled') as cancelled,
        count(*) filter (where is_on_time) as on_time,
        {{ average("departure_delay_minutes") }} as average_departure_delay_minutes
    from intermediate.int_flights
    group by flight_date, month
),

weather as (
    select
        cast(hour_local as date) as weather_date,
        cast(max(wind_gust_mph) as decimal(6, 2)) as strongest_gust_mph,
        cast(sum(precipitation_inches) / count(distinct origin) as decimal(5, 2)) as precipitation_inches,
        cast(min(visibility_miles) as decimal(6, 2)) as lowest_visibility_miles
    from intermediate.int_weather_hours
    group by cast(hour_local as date)
)

select
    days.flight_date,
    days.month,
    case when calendar.is_holiday then calendar.nearest_holiday end as holiday,
    days.flights,
    days.cancelled,
    {{ percent("days.on_time", "days.flights") }} as on_time_percent,
    {{ percent("sum(days.on_time) over last_week", "sum(days.flights) over last_week") }} as week_on_time_percent,
    days.average_departure_delay_minutes,
    weather.strongest_gust_mph,
    weather.precipitation_inches,
    weather.lowest_visibility_miles
from days
inner join intermediate.int_calendar as calendar on days.flight_date = calendar.calendar_date
left join weather on days.flight_date = weather.weather_date
window last_week as (order by days.flight_date rows between 6 preceding and current row)

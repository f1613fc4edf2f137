/*---
description: >
  What a flight's delay is learnt from: its schedule, its route, the age of its plane, and the weather measured at its
  origin in the hour of its schedule. Beside it stands how late it arrived. One row per flight that was completed.
order_by: [scheduled_departure_utc, flight_id]
columns:
  flight_id: {assert: [not_null, unique]}
  arrival_delay_minutes: {description: What is to be predicted., assert: [not_null]}
  plane_age_years: {description: "Null if the register does not know the plane, or its year."}
  is_training: {description: "The model learns from these flights; it is measured on all later ones.", assert: [not_null]}
assert:
  - range: {plane_age_years: {min: 0, max: 60}}
  - name: the_periods_do_not_overlap
    sql: |
      select max(flight_date) filter (where is_training) as last_trained, min(flight_date) filter (where not is_training) as first_scored
      from {{ this }}
      having max(flight_date) filter (where is_training) >= min(flight_date) filter (where not is_training)
---*/
select
    flights.flight_id,
    flights.scheduled_departure_utc,
    flights.flight_date,
    flights.flight_date < date '{{ var("first_scored_day") }}' as is_training,
    flights.arrival_delay_minutes,
    flights.carrier,
    flights.origin,
    flights.destination,
    flights.distance_miles,
    flights.iso_weekday,
    cast(
        extract(hour from flights.scheduled_departure) * 60 + extract(minute from flights.scheduled_departure) as integer
    ) as scheduled_minute,
    calendar.days_from_holiday,
    2013 - planes.built_year as plane_age_years,
    cast(weather.temperature_fahrenheit as double) as temperature_fahrenheit,
    cast(weather.wind_speed_mph as double) as wind_speed_mph,
    cast(weather.precipitation_inches as double) as precipitation_inches,
    cast(weather.visibility_miles as double) as visibility_miles
from intermediate.int_completed_flights as flights
inner join intermediate.int_calendar as calendar on flights.flight_date = calendar.calendar_date
left join staging.stg_planes as planes on flights.tail_number = planes.tail_number
left join intermediate.int_weather_hours as weather
    on flights.origin = weather.origin and flights.scheduled_hour_utc = weather.hour_utc

/*---
description: Every flight with the weather at its origin in the hour it was to leave, nulls if no reading exists.
order_by: [scheduled_departure_utc, flight_id]
columns:
  flight_id: {assert: [not_null, unique]}
assert:
  - row_count: {equals: intermediate.int_flights}
  - not_null: temperature_fahrenheit
    fail_above: 0.5%
    description: For 1,573 flights there is none, since stations miss an hour now and then and the file ends on 30 December.
---*/
select
    flights.flight_id,
    flights.origin,
    flights.flight_date,
    flights.scheduled_departure_utc,
    flights.outcome,
    flights.is_on_time,
    flights.departure_delay_minutes,
    weather.temperature_fahrenheit,
    weather.wind_speed_mph,
    weather.precipitation_inches,
    weather.visibility_category,
    weather.precipitation_category
from intermediate.int_flights as flights
left join intermediate.int_weather_hours as weather
    on flights.origin = weather.origin and flights.scheduled_hour_utc = weather.hour_utc

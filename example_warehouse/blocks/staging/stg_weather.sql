/*---
description: >
  One row per airport and hour. Readings are kept as they were reported, a broken one too, but as exact
  decimals, so that an average does not depend on the order in which it was added up.
indexes: [{columns: [origin, hour_utc], unique: true}]
order_by: [hour_utc, origin]
columns:
  origin: {description: The airport of the station., assert: [not_null, {accepted_values: [EWR, JFK, LGA]}]}
  hour_utc: {description: "The hour in UTC, since the local one occurs twice in the night the clocks go back.", assert: [not_null]}
  temperature_fahrenheit: {assert: [{range: {min: -20, max: 110}}]}
  humidity_percent: {assert: [{range: {min: 0, max: 100}}]}
  visibility_miles: {description: "Reported up to 10, so 10 means 10 or more.", assert: [{range: {min: 0, max: 10}}]}
assert:
  - row_count: {min: 26115, max: 26115}
  - unique: [origin, hour_utc]
  - range: {wind_speed_mph: {min: 0, max: 100}}
    fail_above: 1
    description: Newark's station reported 1,048 miles per hour once, in the night of 12 February. One is known, two would be news.
  - name: dew_point_is_not_above_temperature
    expression: dew_point_fahrenheit <= temperature_fahrenheit + 0.1
---*/
select
    origin,
    make_timestamp(year, month, day, hour, 0, 0) as hour_local,
    time_hour at time zone 'UTC' as hour_utc,
    cast(temp as decimal(5, 2)) as temperature_fahrenheit,
    cast(dewp as decimal(5, 2)) as dew_point_fahrenheit,
    cast(humid as decimal(5, 2)) as humidity_percent,
    cast(wind_dir as integer) as wind_direction_degrees,
    cast(wind_speed as decimal(7, 2)) as wind_speed_mph,
    cast(wind_gust as decimal(7, 2)) as wind_gust_mph,
    cast(precip as decimal(5, 2)) as precipitation_inches,
    cast(pressure as decimal(6, 1)) as pressure_millibars,
    cast(visib as decimal(4, 2)) as visibility_miles
from raw.weather

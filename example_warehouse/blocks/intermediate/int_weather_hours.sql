/*---
description: >
  The weather in the words of those who fly: impossible readings removed, and the visibility by the bounds
  that decide whether one may fly by sight (VFR, MVFR) or must by instruments (IFR, LIFR).
materialize: view
columns:
  visibility_category: {description: By visibility alone; the file has no ceiling., assert: [{accepted_values: [VFR, MVFR, IFR, LIFR]}]}
  wind_speed_mph: {description: Null if the reading was impossible., assert: [{range: {min: 0, max: 100}}]}
assert:
  - row_count: {equals: staging.stg_weather}
  - unique: [origin, hour_utc]
---*/
select
    origin,
    hour_utc,
    hour_local,
    temperature_fahrenheit,
    case when wind_speed_mph <= 100 then wind_speed_mph end as wind_speed_mph,
    wind_gust_mph,
    precipitation_inches,
    visibility_miles,
    case
        when visibility_miles < 1 then 'LIFR'
        when visibility_miles < 3 then 'IFR'
        when visibility_miles <= 5 then 'MVFR'
        else 'VFR'
    end as visibility_category,
    case
        when precipitation_inches = 0 then 'dry'
        when temperature_fahrenheit <= 32 then 'freezing'
        when precipitation_inches < 0.1 then 'light rain'
        else 'heavy rain'
    end as precipitation_category
from staging.stg_weather

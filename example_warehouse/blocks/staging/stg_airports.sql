/*---
description: One row per airport of the United States.
order_by: [airport]
columns:
  airport: {description: FAA code., assert: [not_null, unique, {matches: "^[A-Z0-9]{3}$"}]}
  airport_name: {assert: [not_null]}
assert:
  - row_count: {min: 1458, max: 1458}
  - range: {latitude: {min: 15, max: 75}}
  - accepted_values: {daylight_saving: ["A", "N", "U"]}
---*/
select
    faa as airport,
    name as airport_name,
    lat as latitude,
    lon as longitude,
    cast(alt as integer) as altitude_feet,
    cast(tz as integer) as utc_offset_hours,
    dst as daylight_saving,
    tzone as time_zone
from raw.airports

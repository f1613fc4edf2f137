/*---
description: One row per plane and day on which it left New York.
order_by: [tail_number, flight_date]
assert:
  - unique: [tail_number, flight_date]
  - range: {departures: {min: 1, max: 8}}
  - range: {air_minutes: {min: 0, max: 1440}}
---*/
select
    tail_number,
    flight_date,
    count(*) as departures,
    cast(sum(air_time_minutes) as bigint) as air_minutes,
    cast(sum(distance_miles) as bigint) as miles,
    min(departed_utc) as first_departed_utc,
    max(departed_utc) as last_departed_utc,
    max(departure_delay_minutes) as worst_departure_delay_minutes
from intermediate.int_plane_legs
group by tail_number, flight_date

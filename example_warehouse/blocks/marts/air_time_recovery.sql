/*---
description: >
  Minutes made up between departure and arrival: schedules are padded, and a long flight has more room to
  catch up than a short one.
tags: [carriers]
order_by: [carrier, shortest_miles]
columns:
  shortest_miles: {description: "Of the band's flights; sorts the bands as their names would not."}
  average_gain_minutes: {description: "Departure delay less arrival delay; positive if time was made up."}
  late_but_on_time_percent: {description: "Arrived on time, of those that departed late."}
assert:
  - unique: [carrier, distance_band]
  - references: {carrier: staging.stg_airlines.carrier}
  - row_count: {min: 16, max: 64}
---*/
select
    carrier,
    {{ banded("distance_miles", [500, 1000, 2000], "miles") }} as distance_band,
    min(distance_miles) as shortest_miles,
    count(*) as flights,
    {{ average("departure_delay_minutes - arrival_delay_minutes") }} as average_gain_minutes,
    {{ percent(
        "count(*) filter (where departed_late and is_on_time)",
        "count(*) filter (where departed_late)",
    ) }} as late_but_on_time_percent
from intermediate.int_completed_flights
group by carrier, distance_band

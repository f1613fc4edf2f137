/*---
description: >
  How much each plane was used on departures from New York, and what it is. The way back and the flights
  between other cities are not in the data, so this compares planes and does not measure their whole work.
tags: [planes]
order_by: [departures_rank]
columns:
  tail_number: {assert: [not_null, unique]}
  departures_per_day: {description: Over the days on which the plane left New York at all.}
  million_seat_miles: {description: "Miles times seats; null if the plane is not in the register."}
  is_registered: {description: Whether the register knows the tail number., assert: [not_null]}
assert:
  - departures >= active_days
  - not_null: [maker, seats]
    where: is_registered
  - range: {active_days: {min: 1, max: 365}}
  - air_hours between 0 and 24 * active_days
---*/
with planes as (
    select
        tail_number,
        cast(sum(departures) as bigint) as departures,
        count(*) as active_days,
        cast(sum(air_minutes) / 60.0 as decimal(9, 1)) as air_hours,
        cast(sum(miles) as bigint) as miles,
        max(departures) as most_departures_in_a_day
    from intermediate.int_plane_days
    group by tail_number
)

select
    planes.tail_number,
    register.tail_number is not null as is_registered,
    register.maker,
    register.model,
    register.seats,
    2013 - register.built_year as age_years,
    planes.departures,
    planes.active_days,
    cast(1.0 * planes.departures / planes.active_days as decimal(5, 2)) as departures_per_day,
    planes.most_departures_in_a_day,
    planes.air_hours,
    planes.miles,
    cast(planes.miles * register.seats / 1000000.0 as decimal(9, 3)) as million_seat_miles,
    row_number() over (order by planes.departures desc, planes.tail_number) as departures_rank
from planes
left join staging.stg_planes as register on planes.tail_number = register.tail_number

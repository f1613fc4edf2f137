/*---
description: Whether older planes are later, by age and maker. Planes without a year or a record are left out.
order_by: [maker, youngest_years]
tags: [planes]
export: exports/fleet_age.csv
columns:
  youngest_years: {description: "Age of the youngest plane of the band; sorts the bands as their names would not."}
assert:
  - unique: [maker, age_band]
  - accepted_values: {age_band: [0 to 5 years, 5 to 10 years, 10 to 15 years, 15 to 20 years, 20+ years]}
  - range: {on_time_percent: {min: 0, max: 100}}
  - name: no_plane_is_counted_twice
    sql: |
      select 'planes' as what
      where (select sum(planes) from {{ this }})
          > (select count(*) from staging.stg_planes)
---*/
with flights as (
    select
        planes.maker,
        2013 - planes.built_year as age_years,
        {{ banded("2013 - planes.built_year", [5, 10, 15, 20], "years") }} as age_band,
        flights.tail_number,
        flights.is_on_time,
        flights.outcome,
        flights.departure_delay_minutes,
        flights.distance_miles,
        planes.seats
    from intermediate.int_flights as flights
    inner join staging.stg_planes as planes on flights.tail_number = planes.tail_number
    where planes.built_year is not null
)

select
    maker,
    age_band,
    min(age_years) as youngest_years,
    count(distinct tail_number) as planes,
    count(*) as flights,
    {{ average("seats", 0) }} as average_seats,
    {{ average("distance_miles", 0) }} as average_distance_miles,
    {{ average("departure_delay_minutes") }} as average_departure_delay_minutes,
    {{ percent_of_rows("outcome = 'cancelled'") }} as cancelled_percent,
    {{ percent_of_rows("is_on_time") }} as on_time_percent
from flights
group by maker, age_band

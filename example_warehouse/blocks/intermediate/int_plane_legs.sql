/*---
description: >
  A plane's departures from New York on one day, in the order in which they happened, each with the one
  before it. The way back to New York lies between two of them and is not in the data.
order_by: [tail_number, flight_date, leg_number]
columns:
  leg_number: {description: "1 is the plane's first departure from New York on that day.", assert: [not_null]}
  previous_arrival_delay_minutes: {description: "How late the leg before arrived, null for the first."}
  hours_since_previous: {description: Scheduled time from the departure before to this one.}
assert:
  - unique: flight_id
  - unique: [tail_number, flight_date, leg_number]
  - references: {previous_flight_id: staging.stg_flights.flight_id}
  - name: the_first_leg_has_none_before_it
    expression: (leg_number = 1) = (previous_flight_id is null)
---*/
select
    flight_id,
    tail_number,
    flight_date,
    carrier,
    origin,
    destination,
    departure_delay_minutes,
    arrival_delay_minutes,
    air_time_minutes,
    distance_miles,
    is_on_time,
    departed_late,
    departed_utc,
    row_number() over plane_day as leg_number,
    lag(flight_id) over plane_day as previous_flight_id,
    lag(destination) over plane_day as previous_destination,
    lag(arrival_delay_minutes) over plane_day as previous_arrival_delay_minutes,
    cast(
        extract(epoch from scheduled_departure_utc - lag(scheduled_departure_utc) over plane_day) / 3600
        as decimal(5, 2)
    ) as hours_since_previous,
    cast(
        extract(epoch from departed_utc - lag(departed_utc) over plane_day) / 60 as integer
    ) as minutes_since_previous_departed,
    lag(air_time_minutes) over plane_day as previous_air_time_minutes
from intermediate.int_flights
where outcome <> 'cancelled' and tail_number is not null
window plane_day as (partition by tail_number, flight_date order by departed_utc, flight_id)

/*---
description: >
  One row per scheduled departure, typed and with its units in its names. A delay is counted in minutes,
  negative if early. Nothing is dropped: cancelled and diverted flights are rows like all others.
contract: true
indexes: [tail_number, [origin, scheduled_hour_utc]]
order_by: [scheduled_departure_utc, flight_id]
columns:
  flight_id: {description: "Date, carrier, number and origin.", type: varchar, assert: [not_null, unique]}
  carrier: {description: IATA code of the carrier., type: varchar}
  flight_number: {description: "Unique for a carrier, a day and an origin.", type: integer}
  tail_number: {description: "The plane, null if none was ever assigned.", type: varchar}
  origin: {description: "EWR, JFK or LGA.", type: varchar}
  destination: {description: FAA code of the airport the ticket says., type: varchar}
  flight_date: {description: Local day of the scheduled departure., type: date, assert: [not_null]}
  scheduled_departure: {description: As on the ticket (local time in New York)., type: timestamp}
  scheduled_departure_utc: {description: "The same moment in UTC, for anything that counts minutes.", type: timestamp}
  scheduled_hour_utc: {description: "Its hour, by which the weather is found.", type: timestamp}
  outcome: {description: "Completed, diverted (took off, has no arrival delay) or cancelled.", type: varchar}
  departure_delay_minutes: {description: Null if cancelled., type: integer}
  arrival_delay_minutes: {description: Null unless completed., type: integer}
  air_time_minutes: {description: "From wheels off to wheels on, null unless completed.", type: integer}
  distance_miles: {description: Great circle from origin to destination., type: integer}
assert:
  - row_count: {min: 336776, max: 336776}
  - unique: [flight_date, carrier, flight_number, origin]
  - accepted_values: {origin: [EWR, JFK, LGA], outcome: [completed, diverted, cancelled]}
  - references: {carrier: staging.stg_airlines.carrier}
  - references: {destination: staging.stg_airports.airport}
    fail_above: 3%
    description: Four airports in Puerto Rico and the Virgin Islands (2.3 % of the flights) are not in the airports file.
  - references: {tail_number: staging.stg_planes.tail_number}
    name: planes_are_registered
    severity: warn
    description: >
      American Airlines and Envoy Air report most planes by a fleet number, which the register does not know.
      True of the data, and what limits every finding about age and maker.
  - range: {departure_delay_minutes: {min: -60, max: 1440}, distance_miles: {min: 1, max: 5000}}
  - matches: {tail_number: "^[A-Z0-9]{5,6}$"}
  - freshness: {column: scheduled_departure_utc, within: 40000 days}
    description: 2013 does not get any fresher; the bound is a century so that the kind is shown and never alarms.
  - not_null: [departure_delay_minutes, arrival_delay_minutes, air_time_minutes, tail_number]
    where: outcome = 'completed'
  - name: cancelled_flights_have_no_delay
    expression: outcome <> 'cancelled' or (departure_delay_minutes is null and air_time_minutes is null)
---*/
with flights as (
    select
        make_date(cast(year as integer), cast(month as integer), cast(day as integer)) as flight_date,
        make_timestamp(year, month, day, hour, minute, 0) as scheduled_departure,
        -- The file says the hour in UTC. Without this the result would depend on the session's time zone.
        time_hour at time zone 'UTC' as scheduled_hour_utc,
        *
    from raw.flights
)

select
    concat_ws('-', cast(flight_date as varchar), carrier, cast(flight as varchar), origin) as flight_id,
    carrier,
    cast(flight as integer) as flight_number,
    tailnum as tail_number,
    origin,
    dest as destination,
    flight_date,
    scheduled_departure,
    scheduled_hour_utc + minute * interval '1 minute' as scheduled_departure_utc,
    scheduled_hour_utc,
    case
        when dep_time is null then 'cancelled'
        when arr_delay is null then 'diverted'
        else 'completed'
    end as outcome,
    cast(dep_delay as integer) as departure_delay_minutes,
    cast(arr_delay as integer) as arrival_delay_minutes,
    cast(air_time as integer) as air_time_minutes,
    cast(distance as integer) as distance_miles
from flights

/*---
description: >
  Flights with everything the marts ask about them again and again: who flew, when it really left, the
  band of its delay, and whether it counts as on time: it arrived less than `on_time_minutes` late. A
  cancelled or diverted flight did not.
order_by: [scheduled_departure_utc, flight_id]
columns:
  flight_id: {assert: [not_null, unique]}
  is_on_time: {description: "Never null, so that a rate over it is a rate of all scheduled flights.", assert: [not_null]}
  departed_utc: {description: "Scheduled departure and its delay, null if cancelled."}
  arrival_delay_band: {description: "Null unless completed.", assert: [{references: ref.delay_bands.delay_band}]}
assert:
  - row_count: {equals: staging.stg_flights}
  - not_null: [airline, business_model, month, route]
  - not_null: arrival_delay_band
    where: outcome = 'completed'
  - matches: {route: "^(EWR|JFK|LGA)-[A-Z]{3}$"}
---*/
select
    flights.*,
    airlines.airline,
    airlines.business_model,
    calendar.month,
    calendar.iso_weekday,
    cast(extract(hour from flights.scheduled_departure) as integer) as scheduled_hour,
    flights.origin || '-' || flights.destination as route,
    flights.scheduled_departure_utc + flights.departure_delay_minutes * interval '1 minute' as departed_utc,
    flights.departure_delay_minutes >= {{ var('on_time_minutes') }} as departed_late,
    coalesce(flights.arrival_delay_minutes < {{ var('on_time_minutes') }}, false) as is_on_time,
    bands.delay_band as arrival_delay_band
from staging.stg_flights as flights
inner join staging.stg_airlines as airlines on flights.carrier = airlines.carrier
inner join intermediate.int_calendar as calendar on flights.flight_date = calendar.calendar_date
left join ref.delay_bands as bands
    on {{ in_band('flights.arrival_delay_minutes', 'bands.lower_minutes', 'bands.upper_minutes') }}
    and flights.outcome = 'completed'

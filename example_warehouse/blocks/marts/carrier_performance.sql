/*---
description: How punctual each carrier was over the year, the best first.
contract: true
tags: [carriers]
order_by: [on_time_rank]
columns:
  carrier: {description: IATA code., type: varchar, assert: [not_null, unique]}
  airline: {description: Its name., type: varchar}
  business_model: {description: "Network, low-cost or regional.", type: varchar}
  flights: {description: Scheduled departures., type: bigint}
  cancelled_percent: {description: Of the scheduled departures., type: "decimal(5,2)"}
  on_time_percent: {description: "Arrived less than 15 minutes late, of the scheduled departures.", type: "decimal(5,2)"}
  average_arrival_delay_minutes: {description: Of the completed flights; early ones count as negative., type: "decimal(9,1)"}
  p50_arrival_delay_minutes: {description: The median., type: "decimal(9,1)"}
  p90_arrival_delay_minutes: {description: One flight in ten was later., type: "decimal(9,1)"}
  p99_arrival_delay_minutes: {description: One flight in a hundred was later., type: "decimal(9,1)"}
  on_time_rank: {description: "1 is the most punctual; ties are broken by flights, then code.", type: bigint, assert: [unique]}
assert:
  - row_count: {equals: staging.stg_airlines}
  - flights > 0
  - range: {on_time_percent: {min: 0, max: 100}, cancelled_percent: {min: 0, max: 100}}
  - p50_arrival_delay_minutes <= p90_arrival_delay_minutes and p90_arrival_delay_minutes <= p99_arrival_delay_minutes
---*/
with punctuality as (
    select
        carrier,
        airline,
        business_model,
        count(*) as flights,
        {{ percent_of_rows("outcome = 'cancelled'") }} as cancelled_percent,
        {{ percent_of_rows("is_on_time") }} as on_time_percent
    from intermediate.int_flights
    group by carrier, airline, business_model
),

delays as (
    select
        carrier,
        {{ average("arrival_delay_minutes") }} as average_arrival_delay_minutes
    {%- for percent in [50, 90, 99] %},
        {{ percentile("arrival_delay_minutes", percent) }} as p{{ percent }}_arrival_delay_minutes
    {%- endfor %}
    from intermediate.int_completed_flights
    group by carrier
)

select
    punctuality.carrier,
    punctuality.airline,
    punctuality.business_model,
    punctuality.flights,
    punctuality.cancelled_percent,
    punctuality.on_time_percent,
    delays.average_arrival_delay_minutes,
    delays.p50_arrival_delay_minutes,
    delays.p90_arrival_delay_minutes,
    delays.p99_arrival_delay_minutes,
    row_number() over (
        order by punctuality.on_time_percent desc, punctuality.flights desc, punctuality.carrier
    ) as on_time_rank
from punctuality
left join delays on punctuality.carrier = delays.carrier

/*---
description: >
  One row per route, with a rank among the routes that were scheduled at least
  `min_route_flights` times, so that a route flown once does not win.
tags: [routes]
order_by: [route]
columns:
  route: {description: "Origin and destination, as in JFK-LAX.", assert: [not_null, unique]}
  destination_name: {description: Null for the four airports that are not in the airports file.}
  on_time_rank: {description: "1 is the most punctual, null for a route with too few flights."}
assert:
  - not_null: on_time_rank
    where: flights >= {{ var('min_route_flights') }}
  - unique: on_time_rank
    where: on_time_rank is not null
  - at_least_one_row_per: {column: origin, parent: staging.stg_weather, parent_column: origin}
  - shortest_air_time_minutes <= average_air_time_minutes
---*/
with routes as (
    select
        route,
        origin,
        destination,
        count(*) as flights,
        count(distinct carrier) as carriers,
        max(distance_miles) as distance_miles,
        {{ percent_of_rows("is_on_time") }} as on_time_percent,
        {{ average("arrival_delay_minutes") }} as average_arrival_delay_minutes,
        {{ average("air_time_minutes") }} as average_air_time_minutes,
        min(air_time_minutes) as shortest_air_time_minutes
    from intermediate.int_flights
    group by route, origin, destination
),

ranked as (
    select
        route,
        row_number() over (order by on_time_percent desc, flights desc, route) as on_time_rank
    from routes
    where flights >= {{ var('min_route_flights') }}
)

select
    routes.*,
    airports.airport_name as destination_name,
    ranked.on_time_rank
from routes
left join staging.stg_airports as airports on routes.destination = airports.airport
left join ranked on routes.route = ranked.route

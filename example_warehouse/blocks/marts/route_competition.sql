/*---
description: >
  The share of each carrier on each route, and how concentrated the route is by the
  Herfindahl-Hirschman index (1 is a monopoly, 1/n is n equal carriers).
tags: [routes, carriers]
order_by: [route, route_position]
columns:
  share: {description: "Of the route's scheduled flights, from 0 to 1."}
  route_position: {description: 1 is the largest carrier on the route.}
assert:
  - unique: [route, carrier]
  - sums_to: {column: share, by: route}
  - range: {concentration: {min: 0, max: 1}}
  - references: {route: marts.route_performance.route, carrier: marts.carrier_performance.carrier}
---*/
with shares as (
    select
        route,
        carrier,
        count(*) as flights,
        cast(1.0 * count(*) / sum(count(*)) over (partition by route) as decimal(6, 5)) as share,
        {{ percent_of_rows("is_on_time") }} as on_time_percent
    from intermediate.int_flights
    group by route, carrier
)

select
    *,
    row_number() over (partition by route order by flights desc, carrier) as route_position,
    cast(sum(share * share) over (partition by route) as decimal(5, 4)) as concentration
from shares

/*---
description: Routes whose flights arrive later, or earlier, than schedule, route, plane and weather let expect.
tags: [routes]
order_by: [unexplained_minutes desc, route]
columns:
  unexplained_minutes: {description: "Real less predicted delay, on average: positive is later than expected."}
assert:
  - unique: route
  - flights >= 100
  - references: {route: marts.route_performance.route}
---*/
select
    flights.route,
    count(*) as flights,
    {{ average("delays.arrival_delay_minutes") }} as average_arrival_delay_minutes,
    {{ average("delays.predicted_minutes") }} as average_predicted_minutes,
    {{ average("delays.arrival_delay_minutes - delays.predicted_minutes") }} as unexplained_minutes
from ml.arrival_delay as delays
inner join intermediate.int_flights as flights on delays.flight_id = flights.flight_id
group by flights.route
having count(*) >= 100

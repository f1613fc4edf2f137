/*---
description: The departures of all planes are the flights that left with a tail number.
---*/
select planes.departures, flights.departures as expected
from (select sum(departures) as departures from marts.plane_utilisation) as planes
cross join (
    select count(*) as departures
    from staging.stg_flights
    where outcome <> 'cancelled' and tail_number is not null
) as flights
where planes.departures <> flights.departures

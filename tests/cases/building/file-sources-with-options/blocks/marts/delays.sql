select flights.id, a.name, flights.delay
from raw.flights
join raw.airports as a on a.code = flights.dest

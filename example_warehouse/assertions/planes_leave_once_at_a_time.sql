/*---
description: >
  A plane cannot leave New York again before it could have flown there and back. 186 rows of the data
  say it did (a tail number written down wrong); many more would be our mistake.
fail_above: 200
---*/
-- The way back is not in the data; half as long as the way out leaves room for any wind.
select flight_id, previous_flight_id, minutes_since_previous_departed, previous_air_time_minutes
from intermediate.int_plane_legs
where minutes_since_previous_departed < 1.5 * previous_air_time_minutes

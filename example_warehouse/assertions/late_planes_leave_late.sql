/*---
description: >
  What the propagation mart is about, as a law: with a given time to the next leg, a plane that arrived
  later leaves later on average.
---*/
select *
from (
    select
        time_to_next_leg,
        delay_band,
        average_departure_delay_minutes,
        lag(average_departure_delay_minutes)
            over (partition by time_to_next_leg order by delay_band_position) as one_band_earlier
    from marts.delay_propagation
    where delay_band_position > 1
) as bands
where average_departure_delay_minutes < one_band_earlier

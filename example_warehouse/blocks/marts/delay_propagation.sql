/*---
description: >
  Delay that a plane carries from one departure to its next one on the same day, by how late it arrived
  and how much time its schedule left it to come back to New York and go again.
tags: [planes]
order_by: [time_to_next_leg, delay_band_position]
columns:
  delay_band: {description: How late the leg before arrived., assert: [not_null]}
  time_to_next_leg: {description: Between the two scheduled departures from New York; the way out and back is part of it., assert: [not_null]}
  carried_over_percent: {description: "Of the minutes of delay at the arrival before, what was still there at the next departure; for late arrivals only. What the wait in New York adds counts too, so it can exceed 100."}
assert:
  - unique: [time_to_next_leg, delay_band]
  - references: {delay_band: ref.delay_bands.delay_band}
  - carried_over_percent between 0 and 200
---*/
with legs as (
    select
        legs.*,
        {{ banded("legs.hours_since_previous", [5, 7, 9], "hours") }} as time_to_next_leg
    from intermediate.int_plane_legs as legs
    where legs.previous_arrival_delay_minutes is not null and legs.hours_since_previous > 0
)

select
    legs.time_to_next_leg,
    bands.delay_band,
    bands.position as delay_band_position,
    count(*) as legs,
    {{ average("legs.previous_arrival_delay_minutes") }} as average_previous_arrival_delay_minutes,
    {{ average("legs.departure_delay_minutes") }} as average_departure_delay_minutes,
    {{ percent_of_rows("legs.departed_late") }} as departed_late_percent,
    case
        when bands.position > 2
            then cast(
                100.0 * sum(greatest(legs.departure_delay_minutes, 0)) / sum(legs.previous_arrival_delay_minutes)
                as decimal(6, 2)
            )
    end as carried_over_percent
from legs
inner join ref.delay_bands as bands
    on {{ in_band("legs.previous_arrival_delay_minutes", "bands.lower_minutes", "bands.upper_minutes") }}
group by legs.time_to_next_leg, bands.delay_band, bands.position

/*---
description: Whether a plane gets later with every departure of its day, and how often it catches up.
tags: [planes]
order_by: [leg_number]
columns:
  leg_number: {assert: [not_null, unique]}
  recovered_percent: {description: "Departed less than 15 minutes late, of those whose leg before arrived late."}
assert:
  - name: there_are_never_more_later_legs
    sql: |
      select *
      from (select leg_number, legs, lag(legs) over (order by leg_number) as before from {{ this }}) as counted
      where legs > before
---*/
select
    leg_number,
    count(*) as legs,
    {{ average("departure_delay_minutes") }} as average_departure_delay_minutes,
    {{ percent_of_rows("departed_late") }} as departed_late_percent,
    {{ percent(
        "count(*) filter (where previous_arrival_delay_minutes >= 15 and not departed_late)",
        "count(*) filter (where previous_arrival_delay_minutes >= 15)",
    ) }} as recovered_percent
from intermediate.int_plane_legs
group by leg_number

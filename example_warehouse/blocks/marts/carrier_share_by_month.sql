/*---
description: >
  Each carrier's share of a month's departures, one column per carrier. The columns are the carriers that
  the data has: `query()` asks for them when the block is built.
tags: [carriers]
order_by: [month]
columns:
  month: {assert: [not_null, unique]}
assert:
  - row_count: {equals: marts.on_time_by_month}
  - not_null: [share_ua, share_b6, share_ev]
  - range: {share_ua: {min: 0.1, max: 0.25}}
---*/
{%- set carriers = query("select distinct carrier from staging.stg_flights order by carrier") %}
select
    month,
    count(*) as flights
{%- for row in carriers %},
    cast(
        1.0 * count(*) filter (where carrier = {{ row.carrier | literal }}) / count(*) as decimal(6, 5)
    ) as {{ ('share_' ~ row.carrier | lower) | identifier }}
{%- endfor %}
from intermediate.int_flights
group by month

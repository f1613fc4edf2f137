/*---
description: One row per carrier, with its group.
order_by: [carrier]
columns:
  carrier: {description: IATA code., assert: [not_null, unique]}
  business_model: {assert: [not_null]}
assert:
  - row_count: {equals: ref.carrier_groups}
---*/
select
    airlines.carrier,
    airlines.name as airline,
    carrier_groups.business_model,
    carrier_groups.alliance
from raw.airlines as airlines
left join ref.carrier_groups as carrier_groups on airlines.carrier = carrier_groups.carrier

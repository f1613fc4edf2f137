/*---
description: One row per plane in the FAA's register, with the spellings of its makers brought together.
indexes: [{columns: [tail_number], unique: true}]
order_by: [tail_number]
columns:
  tail_number: {description: The registration painted on the plane., assert: [not_null, unique, {matches: "^N[0-9]{1,5}[A-Z]{0,2}$"}]}
  built_year: {description: "Null if the register does not say.", assert: [{range: {min: 1950, max: 2013}}]}
  seats: {assert: [not_null, {range: {min: 1, max: 500}}]}
  maker: {description: "The five large makers by one name each, all others as Other."}
assert:
  - row_count: {min: 3322, max: 3322}
  - not_null: built_year
    fail_above: 2.5%
    description: 70 of 3,322 planes have no year.
  - accepted_values: {maker: [Airbus, Boeing, Bombardier, Embraer, McDonnell Douglas, Other]}
---*/
{%- set makers = {
    'AIRBUS': 'Airbus',
    'BOEING': 'Boeing',
    'BOMBARDIER': 'Bombardier',
    'CANADAIR': 'Bombardier',
    'EMBRAER': 'Embraer',
    'MCDONNELL DOUGLAS': 'McDonnell Douglas',
} %}
select
    tailnum as tail_number,
    cast(year as integer) as built_year,
    type as plane_type,
    case
    {%- for prefix, maker in makers.items() %}
        when manufacturer like '{{ prefix }}%' then '{{ maker }}'
    {%- endfor %}
        else 'Other'
    end as maker,
    manufacturer as manufacturer_as_registered,
    model,
    cast(engines as integer) as engines,
    cast(seats as integer) as seats,
    engine as engine_type
from raw.planes

/*---
materialize: incremental
strategy: merge
key: id
order_by: [id]
indexes: [{columns: id, unique: true}]
assert:
  - unique: id
---*/
select id, day, amount
from raw.orders
{% if incremental %} where day >= (select max(day) from {{ this }}) {% endif %}

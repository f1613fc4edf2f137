/*---
materialize: incremental
strategy: append
---*/
select id, amount
from raw.orders
{% if incremental %}
where id > (select cast('x' || max(id) as integer) from {{ this }})
{% endif %}

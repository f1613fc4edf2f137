/*---
materialize: incremental
strategy: append
---*/
select id, amount
from raw.orders
{% if incremental %}
where id > {{ query("select max(id) as last from marts.orders")[0].last }}
{% endif %}

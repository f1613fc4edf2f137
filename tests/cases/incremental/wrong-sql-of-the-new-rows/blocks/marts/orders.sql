/*---
materialize: incremental
strategy: append
---*/
select id, amount
from raw.orders
{% if incremental %}
where idd > (select max(id) from {{ this }})
{% endif %}

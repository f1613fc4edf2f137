/*---
materialize: snapshot
key: [id]
updated_at: changed_at
hard_deletes: ignore
---*/
select id, status, changed_at
from raw.orders
{% if incremental %} where changed_at >= (select max(changed_at) from {{ this }}) {% endif %}

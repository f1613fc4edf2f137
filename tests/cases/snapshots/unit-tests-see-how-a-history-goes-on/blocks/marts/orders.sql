/*---
materialize: incremental
strategy: merge
key: id
---*/
select id, status from raw.orders {% if incremental %} where id > (select max(id) from {{ this }}) {% endif %}

/*---
materialize: incremental
strategy: append
---*/
select id, amonut from raw.orders
{% if incremental %} where id > (select max(id) from {{ this }}) {% endif %}

/*---
materialize: incremental
strategy: append
---*/
select id, amount from raw.orders
{% if incremental %} where id > (select max(idd) from {{ this }}) {% endif %}

/*---
materialize: incremental
strategy: append
---*/
select id from landing.events {% if incremental %} where id > (select max(id) from {{ this }}) {% endif %}

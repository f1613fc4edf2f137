/*---
materialize: incremental
strategy: append
---*/
select id, amount from raw.orders {% if incremental %} join raw.wanted using (id) {% endif %}

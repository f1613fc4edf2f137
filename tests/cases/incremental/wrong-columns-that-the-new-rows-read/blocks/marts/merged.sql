/*---
materialize: incremental
strategy: merge
key: id
---*/
select id, amount from raw.orders
{% if incremental %} where daay > current_date - 3 {% endif %}

/*---
materialize: snapshot
key: id
check: all
---*/
select * from raw.people
{% if incremental %} where id > 1 {% endif %}

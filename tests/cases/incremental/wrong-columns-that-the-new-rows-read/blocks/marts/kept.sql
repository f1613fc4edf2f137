/*---
materialize: snapshot
key: id
updated_at: day
hard_deletes: ignore
---*/
select * from raw.orders
{% if incremental %} where day > (select max(valid_form) from {{ this }}) {% endif %}

/*---
materialize: incremental
strategy: append
assert:
  - expression: amount >= 0
    where: new
  - row_count: {max: 2}
    where: new
---*/
select id, amount from landing.orders
{% if incremental %}where id > (select max(id) from {{ this }}) or 'append' <> 'append' and id > 2{% endif %}

/*---
materialize: incremental
strategy: time_range
time_column: ordered_on
interval: day
start: 2026-01-01
end: 2026-01-03
batch_size: 1
pre_statements: create table if not exists landing.log (what integer)
post_statements: insert into landing.log values (1)
---*/
{% for row in query("select distinct name from landing.places order by name") %}
select '{{ row.name }}' as place, ordered_on from landing.orders
where place = '{{ row.name }}' and ordered_on >= '{{ start }}' and ordered_on < '{{ end }}'
{% if not loop.last %}union all{% endif %}
{% endfor %}

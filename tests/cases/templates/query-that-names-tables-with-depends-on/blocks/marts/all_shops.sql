/*---
depends_on: [shops.north, shops.south]
---*/
{% for row in query("select name from raw.shops order by name") %}
select '{{ row.name }}' as shop, id from shops.{{ row.name }}
{{ 'union all' if not loop.last }}
{% endfor %}

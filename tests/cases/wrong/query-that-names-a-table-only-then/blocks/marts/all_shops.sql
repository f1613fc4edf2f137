{% for row in query("select name from raw.shops") %}
select id from shops.{{ row.name }}
{% endfor %}

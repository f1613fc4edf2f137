select country, '{{ this }}' as this from marts.revenue{% for row in query('select count(*) as n from marts.revenue') %} where {{ row.n }} = 1 and '{{ var('country') }}' <> 'XX'{% endfor %}

select
    id,
    {% for row in query("select distinct method from staging.paid order by 1") %}
    sum(amount) filter (where method = {{ row.method | literal }}) as {{ row.method | identifier }}{{ ',' if not loop.last }}
    {% endfor %}
from paid
group by id

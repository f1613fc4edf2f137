select
    {% for row in query("select nmae from raw.shops") %}
    {{ row.name }}
    {% endfor %}

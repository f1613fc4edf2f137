{% set long_text = 'x' * 40 %}
select
    {% for column in var('columns') %}
    '{{ long_text }}' as {{ column }},
    {% endfor %}
    1 as id
form orders

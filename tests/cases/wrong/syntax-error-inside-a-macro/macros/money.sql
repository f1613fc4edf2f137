{% macro cents(column) %}{{ column }} / 100{% endmacro %}

{% macro money(column) -%}
    cast({{ column }} / 100.0 as as decimal(12, 2))
{%- endmacro %}

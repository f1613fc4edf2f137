{% macro price(column, factor=2) -%}
  {{ column }} * {{ factor }}
{%- endmacro %}
{% macro priced_twice(column) %}{{ price(price(column)) }}{% endmacro %}

{% macro money(x) %}{{ x }} / 100{% endmacro %}

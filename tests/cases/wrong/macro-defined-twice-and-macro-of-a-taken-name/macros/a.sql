{% macro money(x) %}{{ x }}{% endmacro %}

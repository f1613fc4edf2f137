{% macro cents(x) %}{{ x }}{% endmacro %}
{% macro money(x) %}{{ x }} / 100{% endmacro %}

{% macro rounded(expression) %}round({{ expression }}, 2){% endmacro %}
{% macro further(n) %}1 + {{ nested(n) }}{% endmacro %}

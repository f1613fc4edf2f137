{% macro money(column, digits) %}round({{ column }}, {{ digits }}){% endmacro %}

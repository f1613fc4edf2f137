{% macro upper_of(x) %}upper({{ x }}){% endmacro %}

{% macro at_most(column, limit=10) %}select * from {{ this }} where {{ column }} > {{ limit }}{% endmacro %}
{% macro is_text(column) %}select * from {{ this }} where typeof({{ column }}) <> 'VARCHAR'{% endmacro %}

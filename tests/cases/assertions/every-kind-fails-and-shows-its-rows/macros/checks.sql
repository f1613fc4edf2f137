{% macro at_most(column, limit=10) %}select * from {{ this }} where {{ column }} > {{ limit }}{% endmacro %}

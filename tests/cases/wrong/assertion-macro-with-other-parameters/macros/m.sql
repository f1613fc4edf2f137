{% macro at_most(column, limit) %}
select * from {{ this }} where {{ column }} > {{ limit }}
{% endmacro %}

{% macro positive(column) %}select * from {{ this }} where {{ column }} <= 0{% endmacro %}

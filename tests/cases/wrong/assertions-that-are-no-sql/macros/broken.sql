{% macro broken(column) %}
select * form {{ this }} where {{ column }} is null
{% endmacro %}

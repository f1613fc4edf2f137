{% macro total() %}
  sum(
    missing_amount
  )
{% endmacro %}

{# Whether `value` lies in the band from `lower` (inclusive) to `upper` (exclusive); null is an open end. #}
{% macro in_band(value, lower, upper) -%}
({{ lower }} is null or {{ value }} >= {{ lower }}) and ({{ upper }} is null or {{ value }} < {{ upper }})
{%- endmacro %}

{# The label of the step that `value` falls into, from its start (inclusive) to its end (exclusive):
   banded('age', [5, 10], 'years') is '0 to 5 years', '5 to 10 years' or '10+ years', null for null. #}
{% macro banded(value, steps, unit) -%}
case
{%- for step in steps %}
    when {{ value }} < {{ step }} then '{{ 0 if loop.first else loop.previtem }} to {{ step }} {{ unit }}'
{%- endfor %}
    when {{ value }} >= {{ steps[-1] }} then '{{ steps[-1] }}+ {{ unit }}'
end
{%- endmacro %}

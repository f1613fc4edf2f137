{# Small expressions that many marts share. They round to a decimal, so that a result is the same on
   every engine and in every run, and a ranking over it has no ties by accident of floating point. #}

{# Per cent of `whole`, null if there is nothing to divide by. #}
{% macro percent(part, whole) -%}
cast(100.0 * {{ part }} / nullif({{ whole }}, 0) as decimal(5, 2))
{%- endmacro %}

{# Per cent of all rows that satisfy `condition`. #}
{% macro percent_of_rows(condition) -%}
{{ percent("count(*) filter (where " ~ condition ~ ")", "count(*)") }}
{%- endmacro %}

{% macro average(expression, digits=1) -%}
cast(avg({{ expression }}) as decimal(9, {{ digits }}))
{%- endmacro %}

{% macro percentile(expression, percent) -%}
cast(percentile_cont({{ percent / 100 }}) within group (order by {{ expression }}) as decimal(9, 1))
{%- endmacro %}

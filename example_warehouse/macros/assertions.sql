{# User-defined assertions: each renders a query whose rows are the rows that break it. #}

{# Within each group of `by`, the values of `column` add up to `total`. #}
{% macro sums_to(column, by, total=1, tolerance=0.001) -%}
select {{ by }}, sum({{ column }}) as total
from {{ this }}
group by {{ by }}
having abs(sum({{ column }}) - {{ total }}) > {{ tolerance }}
{%- endmacro %}

{# Every value of `parent_column` in `parent` occurs in `column` at least once. #}
{% macro at_least_one_row_per(column, parent, parent_column) -%}
select parent.{{ parent_column }}
from {{ parent }} as parent
where not exists (select 1 from {{ this }} as child where child.{{ column }} = parent.{{ parent_column }})
{%- endmacro %}

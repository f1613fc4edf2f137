{# a comment of the template #}
{%- set doubled = var('minimum') * 2 %}
select
    {{ doubled }} as doubled,
    {{ var('prefix') | literal }} as quoted,
    {{ var('nothing', 'a default') | literal }} as defaulted,
    '{{ env("HOME_COUNTRY") }}' as country,
    '{{ env("NOT_SET", "nowhere") }}' as not_set,
    '{{ target.name }} {{ target.engine }}' as target,
    '{{ this }} {{ this.schema }} {{ this.name }}' as this,
    {{ priced_twice('3') }} as price,
    {% for shop in var('shops') %}
    {{ loop.index }} as {{ shop | identifier }}{{ ',' if not loop.last }}
    {% endfor %}

{% macro net(column) %}{{ rounded(column ~ ' / 1.2') }}{% endmacro %}
{% macro nested(n) %}{% if n %}({{ further(n - 1) }}){% else %}0{% endif %}{% endmacro %}

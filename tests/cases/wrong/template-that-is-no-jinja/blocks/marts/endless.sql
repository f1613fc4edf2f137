select 1 as id
{% if true %}
, 2 as b

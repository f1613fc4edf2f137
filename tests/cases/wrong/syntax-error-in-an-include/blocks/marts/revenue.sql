select 1 as id
{% include 'snippets/filter.sql' %}

select 1 as id
{% include '../secrets.sql' %}

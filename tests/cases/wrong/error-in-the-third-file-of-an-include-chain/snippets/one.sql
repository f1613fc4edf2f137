{# the first #}
{% include 'snippets/two.sql' %}

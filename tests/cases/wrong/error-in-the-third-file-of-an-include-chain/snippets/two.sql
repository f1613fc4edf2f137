1 as one,
{% include 'snippets/three.sql' %}

select {% include 'snippets/none.sql' %}

select {% include 'snippets/columns.sql' %}

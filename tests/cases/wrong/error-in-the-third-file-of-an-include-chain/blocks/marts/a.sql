select
{% include 'snippets/one.sql' %}
from staging.orders

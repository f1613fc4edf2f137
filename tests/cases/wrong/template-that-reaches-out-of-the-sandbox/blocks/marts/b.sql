select {% for i in range(10000000) %}{{ i }},{% endfor %} 1 as a

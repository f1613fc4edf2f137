select {% for shop in var('shops') %} '{{ shop }}' {% endfor %} as n

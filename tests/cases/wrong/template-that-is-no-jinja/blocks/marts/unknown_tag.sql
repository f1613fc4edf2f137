select {% foo %} 1 as id

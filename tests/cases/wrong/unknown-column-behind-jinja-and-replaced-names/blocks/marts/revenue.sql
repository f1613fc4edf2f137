select id, {# a comment #} {{ "'" ~ 'x' * 50 ~ "'" }} as filler, (select max(id) from staging.orders) as m,
    {% if true %}orders.prise{% endif %} as price
from staging.orders

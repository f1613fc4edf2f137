select o.id, p.amount from {{ ref('orders') }} as o join {{ source('raw', 'payments') }} as p using (id)

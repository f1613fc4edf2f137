/*---
order_by: [order_id]
assert:
  - "order_id > {{ var('least') }}"
export:
  - exports/orders.csv
  - {path: "exports/{{ this.name }}.txt", format: json}
---*/
select 2 as order_id, 'grace' as customer union all select 1, 'ada, b'

/*---
description: One row per order.
assert: [order_id > 0]
export:
  - {target: serving, table: shop.orders}
  - {target: serving, table: "shop.{{ this.name }}_log", mode: append}
  - {target: serving, mode: upsert, key: order_id}
---*/
select 1 as order_id, 'ada' as customer
union all select 2, 'grace'

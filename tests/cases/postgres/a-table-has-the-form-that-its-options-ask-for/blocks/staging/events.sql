/*---
options:
  unlogged: true
  fillfactor: 70
  statistics: {id: 500}
  partition_by: {column: happened_at, every: quarter}
indexes: [happened_at, {columns: id, where: id > 2}]
order_by: [id]
assert: [{unique: id}]
---*/
select id, at as happened_at
from (values (1, timestamp '2026-01-31 10:00'), (2, timestamp '2026-03-31 23:59:59'), (3, timestamp '2026-04-01'),
  (4, timestamp '2024-12-31'), (5, null), (6, timestamp 'infinity')) as v (id, at)

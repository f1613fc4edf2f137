/*---
options: {partition_by: {column: day, every: day}}
---*/
select d::date as day from generate_series(timestamp '2020-01-01', timestamp '2026-01-01', interval '1 day') as s (d)

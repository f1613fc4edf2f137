/*---
materialize: incremental
strategy: time_range
time_column: moment
interval: week
start: 2026-01-01
end: 2025-12-29 12:00
---*/
select 1 as id

/*---
materialize: incremental
strategy: time_range
key: id
indexes: [{columns: id, unique: true}]
---*/
select 1 as id, '{{ start }}' as moment

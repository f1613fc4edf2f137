/*---
materialize: incremental
strategy: append
---*/
select id, what from landing.events {{ "where id > (select max(id) from events)" if incremental }}

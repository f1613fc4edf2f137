/*---
materialize: ephemeral
---*/
select * from raw.payments

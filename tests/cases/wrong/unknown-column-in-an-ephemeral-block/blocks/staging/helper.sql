/*---
materialize: ephemeral
---*/
select id,
       missing_column
from staging.orders

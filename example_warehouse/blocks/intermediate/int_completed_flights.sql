/*---
description: The flights that arrived where their ticket said.
materialize: ephemeral
---*/
select *
from intermediate.int_flights
where outcome = 'completed'

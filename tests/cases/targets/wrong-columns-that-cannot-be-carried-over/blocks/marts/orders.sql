/*---
target: serve
---*/
select id
from staging.odd

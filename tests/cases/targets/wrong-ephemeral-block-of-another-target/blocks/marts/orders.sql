/*---
target: serve
---*/
select id
from staging.cleaned

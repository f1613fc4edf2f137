/*---
description: Reads a.
---*/
select 1 as n
from a

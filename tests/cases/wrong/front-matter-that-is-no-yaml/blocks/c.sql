
/*---
description: on the second line
---*/
select 1 as id

/*---
description: never closed
select 1 as id

/*---
tags: [slow]
owner: finance
---*/
select n from staging.b

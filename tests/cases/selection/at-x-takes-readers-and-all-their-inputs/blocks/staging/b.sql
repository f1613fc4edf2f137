/*---
tags: [daily, slow]
---*/
select n from a

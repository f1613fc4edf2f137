/*---
enabled: false
---*/
select this is not even sql

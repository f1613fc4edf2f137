/*---
indexes: [{columns: id, where: idd > 1}]
---*/
select 1 as id

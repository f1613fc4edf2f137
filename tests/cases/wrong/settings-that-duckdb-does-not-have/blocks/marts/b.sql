/*---
grants: {select: [ada]}
indexes: [{columns: id, where: id > 1}]
---*/
select 1 as id

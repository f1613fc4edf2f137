/*---
grants: {selct: [ada]}
indexes: [id, {unique: true}]
---*/
select 1 as id

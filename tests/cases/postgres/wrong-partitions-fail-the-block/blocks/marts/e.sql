/*---
options: {statistics: {missing: 10}}
---*/
select 1 as id

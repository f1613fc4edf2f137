/*---
depends_on: [staging.later]
---*/
select 'built after it' as said

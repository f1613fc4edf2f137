/*---
export: {pth: x}
---*/
select 1 as one

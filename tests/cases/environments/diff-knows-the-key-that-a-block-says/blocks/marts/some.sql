/*---
assert: [{unique: price, where: price > 20}]
---*/
select id, line, price from raw.lines

/*---
assert: [{unique: [id, line], name: one_row_a_line}]
---*/
select id, line, price from raw.lines

select count(*) as n from range(1000000) as a, range(1000000) as b where a.range % 7 = b.range % 11

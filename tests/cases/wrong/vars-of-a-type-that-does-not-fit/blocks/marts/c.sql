select {{ "a b" | identifier }} as n

select cast('a' as varchar(9)) as word

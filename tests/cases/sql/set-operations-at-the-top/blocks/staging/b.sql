select 2 as id union all select 3

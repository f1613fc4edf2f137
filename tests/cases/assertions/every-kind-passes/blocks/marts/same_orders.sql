select unnest([1, 2]) as id

select unnest([1, 2, 9]) as id

select id, cast(word as integer) as number from first

select id, missing from first

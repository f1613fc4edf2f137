select 1 as id, 'read' as "grant"

with ids as (select id as a_id from m.a) select id from ids

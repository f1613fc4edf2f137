select * replace (upper(name) as name) rename (id as person_id) from public_people

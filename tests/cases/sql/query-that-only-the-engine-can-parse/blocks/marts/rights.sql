select id, grant from staging.rights as r where r.id = 1

select l."user" as user from marts.labels l

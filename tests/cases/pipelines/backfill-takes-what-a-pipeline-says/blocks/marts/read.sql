select day, edition from marts.days

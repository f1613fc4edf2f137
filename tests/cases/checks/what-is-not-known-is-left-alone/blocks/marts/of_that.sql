select id, x from marts.of_a_source

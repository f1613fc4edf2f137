select n from marts.people

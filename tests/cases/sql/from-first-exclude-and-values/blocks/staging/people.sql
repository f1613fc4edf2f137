from (values (1, 'ada', 'secret'), (2, 'bob', 'hidden')) as people(id, name, password)

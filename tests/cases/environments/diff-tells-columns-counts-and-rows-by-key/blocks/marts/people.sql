select * from (values (1, 'ada', '7'), (2, 'grace', '8'), (null, 'nobody', '9')) as people (id, name, age)

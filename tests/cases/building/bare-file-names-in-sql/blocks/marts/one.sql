select id, name from 'data/a.csv'

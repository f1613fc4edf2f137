select count(*) as n from read_csv('data/a.csv')

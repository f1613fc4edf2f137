select nothing from 'no/such/file.csv'

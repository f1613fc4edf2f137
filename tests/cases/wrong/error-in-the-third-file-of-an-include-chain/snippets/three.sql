2 as two,
  missing_column as three

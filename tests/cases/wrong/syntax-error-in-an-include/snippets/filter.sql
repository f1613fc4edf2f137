where id > 1
  and and id < 5

select sum(id) as ids from shown

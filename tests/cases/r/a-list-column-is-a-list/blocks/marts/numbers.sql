select range as id, range * 1.5 as x, 'n' || range as name from range(4)

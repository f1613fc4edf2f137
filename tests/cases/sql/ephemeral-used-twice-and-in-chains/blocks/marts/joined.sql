select a.n, b.n as doubled from helpers.doubled as b join helpers.doubled as a on a.n = b.n join numbers on numbers.n = a.n

select id, amount from one

select surely_no_function(1) as x, y from marts.scores

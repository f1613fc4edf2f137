select y.amount, y.amount - z.amount as more from staging.priced y join staging.priced z on y.amount <> z.amount

daily <- function(marts__numbers) lm(x ~ 1, marts__numbers)

daily <- function(marts__numbers) as.list(marts__numbers)

daily <- function(marts__numbers) transform(marts__numbers, empty = NA)

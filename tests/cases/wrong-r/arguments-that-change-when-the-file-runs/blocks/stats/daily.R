daily <- function(marts__numbers) marts__numbers
formals(daily) <- alist(marts__numbers = , other = )

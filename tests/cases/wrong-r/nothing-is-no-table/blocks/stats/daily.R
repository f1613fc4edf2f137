daily <- function(marts__numbers) invisible()

daily <- function(marts__numbers) transform(marts__numbers, today = Sys.Date())

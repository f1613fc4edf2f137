daily <- function(marts__numbers) transform(marts__numbers, took = as.difftime(x, units = "mins"))

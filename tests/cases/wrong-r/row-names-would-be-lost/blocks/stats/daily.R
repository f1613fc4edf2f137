daily <- function(marts__numbers) data.frame(x = 1:2, row.names = c("a", "b"))

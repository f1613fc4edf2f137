source("lib/a.R")
daily <- function(marts__numbers) transform(marts__numbers, y = one)

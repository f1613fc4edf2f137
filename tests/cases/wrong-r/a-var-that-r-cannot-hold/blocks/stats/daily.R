daily <- function(marts__numbers, big = 1) marts__numbers

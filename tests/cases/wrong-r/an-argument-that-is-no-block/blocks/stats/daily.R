daily <- function(marts__nubmers) marts__nubmers

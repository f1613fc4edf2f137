daily <- function(marts__numbers) marts__numbers
#' @assertion
#' severty: warn
fine <- function(output) TRUE
